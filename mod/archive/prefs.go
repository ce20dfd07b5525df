package archive

import (
	"context"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// maxListed is how many addresses the lists of an account may have together.
const maxListed = 1024

// prefs are what an account wants kept (XEP-0441 section 2).
type prefs struct {
	standard store.ArchiveDefault
	lists    map[jid.JID]bool // true: always, false: never
	kept     store.ArchivePrefs
}

// readPrefs takes what the store has; standard is for who never chose. An address that cannot be read any more is left out.
func readPrefs(kept store.ArchivePrefs, standard store.ArchiveDefault) prefs {
	p := prefs{standard: kept.Default, kept: kept}
	if p.standard == "" {
		p.standard = standard
	}
	p.kept.Default = p.standard
	add := func(list []string, always bool) {
		for _, s := range list {
			if j, err := jid.Parse(s); err == nil {
				if p.lists == nil {
					p.lists = make(map[jid.JID]bool)
				}
				p.lists[j] = always
			}
		}
	}
	add(kept.Always, true)
	add(kept.Never, false) // whoever is in both is not kept
	return p
}

// wants applies XEP-0441 section 2.3 to the address that an outgoing message is to or an incoming one is from.
func (x *archive) wants(a *core.Account, b *box, peer jid.JID) bool {
	if a.ID == 0 {
		return false // a guest
	}
	p := &b.prefs
	bare := peer.Bare()
	if len(p.lists) > 0 {
		if always, listed := p.lists[peer]; listed {
			return always
		}
		if always, listed := p.lists[bare]; listed {
			return always
		}
	}
	switch p.standard {
	case store.ArchiveNever:
		return false
	case store.ArchiveRoster:
		return bare == a.JID || x.host.Ports.Contacts.Lists(a, bare)
	}
	return true
}

// getPrefs answers what is kept (XEP-0441 section 2.1).
func (x *archive) getPrefs(_ context.Context, e *core.Event) (core.Answer, error) {
	return core.Answer{Payload: prefsXML(x.boxes.Of(e.Account).prefs.kept)}, nil
}

// setPrefs replaces the choice; it counts, and is answered, when it is durable.
func (x *archive) setPrefs(_ context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	p, serr := parsePrefs(tree)
	if serr != nil {
		return core.Answer{}, serr
	}
	e.Wait(x.Prefs.SetArchivePrefs(e.Account.ID, p))
	e.After(func(e *core.Event) { x.boxes.Of(e.Account).prefs = readPrefs(p, x.standard) })
	return core.Answer{Payload: prefsXML(p)}, nil
}

// parsePrefs reads <prefs/>. A list that is missing is empty (XEP-0441 sections 2.1.2 and 2.1.3).
func parsePrefs(n *xmltok.Node) (store.ArchivePrefs, *stanza.Error) {
	p := store.ArchivePrefs{Default: store.ArchiveDefault(n.Attr("default"))}
	switch p.Default {
	case store.ArchiveAlways, store.ArchiveNever, store.ArchiveRoster:
	default:
		return p, stanza.NewError(stanza.BadRequest, "the default is always, never or roster")
	}
	left := maxListed
	read := func(name string) ([]string, *stanza.Error) {
		var out []string
		seen := make(map[jid.JID]bool)
		for _, c := range n.Child(ns.Archive, name).All(ns.Archive, "jid") {
			j, err := jid.Parse(strings.Clone(c.Text()))
			if err != nil {
				return nil, stanza.NewError(stanza.JIDMalformed, "")
			}
			if left--; left < 0 {
				return nil, stanza.NewError(stanza.PolicyViolation, "too many addresses")
			}
			if !seen[j] {
				seen[j] = true
				out = append(out, j.String())
			}
		}
		return out, nil
	}
	var err *stanza.Error
	if p.Always, err = read("always"); err != nil {
		return p, err
	}
	p.Never, err = read("never")
	return p, err
}

func prefsXML(p store.ArchivePrefs) string {
	b := xmltok.AppendAttr([]byte("<prefs xmlns='"+ns.Archive+"'"), "default", string(p.Default))
	b = append(b, '>')
	list := func(name string, jids []string) {
		if len(jids) == 0 {
			b = append(b, "<"+name+"/>"...)
			return
		}
		b = append(b, "<"+name+">"...)
		for _, j := range jids {
			b = append(xmltok.AppendEscaped(append(b, "<jid>"...), j), "</jid>"...)
		}
		b = append(b, "</"+name+">"...)
	}
	list("always", p.Always)
	list("never", p.Never)
	return string(append(b, "</prefs>"...))
}
