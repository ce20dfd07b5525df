package join

import (
	"context"
	"errors"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// legacyInvite is how old clients look for XEP-0445, from before it had a namespace of its own.
const legacyInvite = "urn:xmpp:invite"

// badToken is told about every token that is good for nothing, whyever (XEP-0445 section 4).
const badToken = "The provided token is invalid or expired"

// pass is what a stranger has shown.
type pass struct {
	invite store.Invite // of the zero kind: none
	done   bool         // an account was made, or a password set, on this connection
}

func passOf(s *core.Stranger) *pass {
	if p, ok := s.Pass.(*pass); ok {
		return p
	}
	p := new(pass)
	s.Pass = p
	return p
}

// features is what a stranger is offered: XEP-0445 section 3, since a token may also set a password, and XEP-0077 section 6 where accounts are made.
func (m *Module) features(stage core.Stage, _ *core.Stranger) string {
	if stage != core.BeforeLogin {
		return ""
	}
	out := "<register xmlns='" + ns.InviteToken + "'/>"
	if m.mayRegister() {
		out += "<register xmlns='" + legacyInvite + "'/><register xmlns='" + ns.RegisterFeature + "'/>"
	}
	return out
}

// try counts an attempt of a stranger; succeeded takes it back. So names and tokens cannot be tried out.
func (m *Module) try(s *core.Stranger) error {
	if !m.limited() || m.tries.Take(m.now(), s.Source.String(), m.Config.Signup.Tries, time.Hour) {
		return nil
	}
	m.host.Metrics().Refused("signup_tries")
	return stanza.NewError(stanza.ResourceConstraint, "too many attempts, try again later")
}

func (m *Module) succeeded(s *core.Stranger) { m.tries.Give(s.Source.String()) }

// outcome counts and logs how an attempt ended.
func (m *Module) outcome(s *core.Stranger, name, what string) {
	m.Signups.WithLabelValues(what).Inc()
	m.Obs.Log.Info("signup", "outcome", what, obs.JID, name, obs.Peer, s.Source.String())
}

// preauth is XEP-0445 section 4. The time of a token counts here and not later.
func (m *Module) preauth(ctx context.Context, s *core.Stranger, st *stanza.Stanza) (string, error) {
	if err := m.try(s); err != nil {
		return "", err
	}
	p, _ := st.Payload()
	token, _ := p.Attr("token")
	i, err := m.find(ctx, token)
	good := err == nil && (i.Kind == store.InviteReset || (i.Kind == store.InviteAccount && m.mayRegister()))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if !good {
		m.outcome(s, "", "bad token")
		return "", stanza.NewError(stanza.ItemNotFound, badToken)
	}
	m.succeeded(s)
	passOf(s).invite = i
	s.Patience = m.Config.Signup.FormTime.D()
	return "", nil
}

// open tells whether the stranger may make an account, or set a password; if not, everybody is told the same, whatever they have asked.
func (m *Module) open(p *pass) error {
	mode := m.Config.Signup.Mode
	if p.invite.Kind != "" || mode == "open" || mode == "approve" {
		return nil
	}
	return stanza.NewError(stanza.NotAllowed, "accounts of this server are made by invite or by its administrators")
}

// fields is XEP-0077 section 3.1: what is asked for, as fields and as a form.
func (m *Module) fields(_ context.Context, s *core.Stranger, _ *stanza.Stanza) (string, error) {
	p := passOf(s)
	if err := m.open(p); err != nil {
		return "", err
	}
	s.Patience = m.Config.Signup.FormTime.D()
	what := "Choose a name and a password."
	switch {
	case p.invite.Kind == store.InviteReset:
		what = "Choose a new password."
	case p.invite.Kind == "" && m.Config.Signup.Mode == "approve":
		what = "Choose a name and a password. An administrator lets you in."
	}
	name := form.Field{Var: "username", Type: form.TextSingle, Label: "Name", Required: true}
	username := "<username/>"
	if p.invite.Name != "" {
		name.Values = []string{p.invite.Name}
		username = "<username>" + escaped(p.invite.Name) + "</username>"
	}
	f := form.New(form.Prompt, ns.Register, name, form.Field{Var: "password", Type: form.TextPrivate, Label: "Password", Required: true})
	f.Title, f.Instructions = "Your account", []string{what}
	b := []byte("<query xmlns='" + ns.Register + "'><instructions>" + escaped(what) + "</instructions>" + username + "<password/>")
	return string(append(f.AppendXML(b), "</query>"...)), nil
}

// filled is what a stranger has filled in.
type filled struct{ name, password string }

// parse reads fields or a form (XEP-0077 section 4). A form wins, as in what is sent to clients.
func parse(st *stanza.Stanza) (filled, error) {
	query, _ := st.Payload()
	tree, err := query.Tree()
	if err != nil {
		return filled{}, stanza.NewError(stanza.BadRequest, "")
	}
	x := tree.Child(ns.DataForm, "x")
	if x == nil {
		return filled{tree.Child(ns.Register, "username").Text(), tree.Child(ns.Register, "password").Text()}, nil
	}
	f, err := form.ParseSubmit(x)
	if err != nil {
		return filled{}, err
	}
	if f.Type == form.Cancel {
		return filled{}, stanza.NewError(stanza.NotAcceptable, "")
	}
	return filled{f.Field("username").Value(), f.Field("password").Value()}, nil
}

// register is XEP-0077 section 3.1 and XEP-0445 section 4.
func (m *Module) register(ctx context.Context, s *core.Stranger, st *stanza.Stanza) (string, error) {
	p := passOf(s)
	if err := m.open(p); err != nil {
		m.outcome(s, "", "closed")
		return "", err
	}
	if p.done {
		return "", stanza.NewError(stanza.NotAcceptable, "you have registered already") // XEP-0077 section 3.1.1
	}
	if err := m.try(s); err != nil {
		return "", err
	}
	in, err := parse(st)
	if err != nil {
		return "", err
	}
	if p.invite.Kind == store.InviteReset {
		err = m.reset(ctx, s, p, in)
	} else {
		err = m.newcomer(ctx, s, p, in)
	}
	var refused *stanza.Error
	switch {
	case err == nil:
		m.succeeded(s)
		p.done = true
	case errors.As(err, &refused):
		m.outcome(s, "", string(refused.Condition))
	}
	return "", err
}

// newcomer makes the account.
func (m *Module) newcomer(ctx context.Context, s *core.Stranger, p *pass, in filled) error {
	cfg := &m.Config.Signup
	local, err := prepareName(in.name, cfg)
	if err != nil {
		return err
	}
	if p.invite.Name != "" && local != p.invite.Name {
		return stanza.NewError(stanza.NotAcceptable, "the invite is for the name "+p.invite.Name)
	}
	if err := strong(in.password, local, &m.Config.Accounts); err != nil {
		return err
	}
	if p.invite.Name == "" && reserved(local, cfg) {
		return taken()
	}
	r := store.Registration{NewAccount: store.NewAccount{Domain: m.host.Domain.Domain(), Local: local, Role: store.RoleMember}}
	if p.invite.Kind != "" {
		if err := m.stands(ctx, p.invite.Hash); err != nil {
			return known(err, badToken)
		}
		r.Token, r.Role, r.Circles = p.invite.Hash, p.invite.Role, p.invite.Circles
	} else {
		r.Waiting = cfg.Mode == "approve"
		if err := m.within(ctx, s, r.Waiting); err != nil {
			return err
		}
	}
	if r.Credentials, err = m.derive(in.password); err == nil {
		_, err = m.Invites.Register(ctx, r)
		err = known(err, badToken)
	}
	if err != nil {
		if r.Token == "" {
			m.made.Give("")
			m.made.Give(s.Source.String())
		}
		return err
	}
	what := "registered"
	if r.Waiting {
		what = "waiting"
	}
	m.outcome(s, m.address(local).String(), what)
	m.follow()
	return nil
}

// within counts an account that is made without an invite.
func (m *Module) within(ctx context.Context, s *core.Stranger, waiting bool) error {
	cfg := &m.Config.Signup
	if waiting {
		list, err := m.Leavers.Waiting(ctx, m.host.Domain.Domain(), cfg.Waiting+1)
		if err != nil {
			return err
		}
		if len(list) >= cfg.Waiting {
			m.host.Metrics().Refused("signup_waiting")
			return stanza.NewError(stanza.ResourceConstraint, "too many wait for approval, try again later")
		}
	}
	if !m.limited() {
		return nil
	}
	now := m.now()
	if !m.made.Take(now, s.Source.String(), cfg.PerSource, 24*time.Hour) {
		m.host.Metrics().Refused("signup_source")
		return stanza.NewError(stanza.ResourceConstraint, "too many accounts were made from here, try again tomorrow")
	}
	if !m.made.Take(now, "", cfg.PerHour, time.Hour) {
		m.made.Give(s.Source.String())
		m.host.Metrics().Refused("signup_hour")
		return stanza.NewError(stanza.ResourceConstraint, "too many accounts were made lately, try again in an hour")
	}
	return nil
}

// reset sets a new password by a link that an administrator made. Whoever was logged in with the old one is not any more.
func (m *Module) reset(ctx context.Context, s *core.Stranger, p *pass, in filled) error {
	local := p.invite.Name
	if name, err := prepareName(in.name, &m.Config.Signup); err == nil && name != local {
		return stanza.NewError(stanza.NotAcceptable, "the link is for the account "+local)
	}
	credentials, err := m.credentials(in.password, local)
	if err != nil {
		return err
	}
	if err := m.Invites.Reset(ctx, p.invite.Hash, credentials); err != nil {
		return known(err, badToken)
	}
	account := m.address(local)
	m.outcome(s, account.String(), "reset")
	m.host.Credentials.Add(1)
	return m.host.Ask(ctx, account, func(w *core.Work, a *core.Account) error {
		a.ShutOut(w)
		return nil
	})
}
