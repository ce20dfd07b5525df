package main

// fault is one mistake that somebody must notice.
type fault struct {
	name     string
	file     string
	old, new string // old stands in the file exactly once
	judge    string // arguments of go test
}

const plays = "./e2e/play -run "

// faults are the mistakes, each with the narrowest judge that must turn red.
var faults = []fault{
	{"carbons left out", "mod/carbons/carbons.go", "	h.Hooks.Sent.Add(m.Name(), m.sent)\n", "	_ = m.sent\n", plays + "TestPlays/.*/.*/.*/xep0280"},
	{"archive left out of messages that arrive", "mod/archive/archive.go", "	h.Hooks.Receiving.Add(m.Name(), x.receiving)\n", "	_ = x.receiving\n", plays + "TestPlays/.*/.*/.*/xep0313"},
	{"no offline delivery", "mod/archive/archive.go", "	h.Hooks.Available.Add(m.Name(), x.available)\n", "	_ = x.available\n", plays + "TestPlays/.*/.*/.*/xep0160"},
	{"commits are not synced", "store/sqlstore/open.go", "func (db *DB) writerDSN() string {\n	sync := \"synchronous(FULL)\"", "func (db *DB) writerDSN() string {\n	sync := \"synchronous(OFF)\"", "./e2e/chaos -run TestStorePowerCut$ -cycles 3"},
	{"tickets done before the commit", "core/line.go", "	if len(tickets) == 0 {\n", "	if len(tickets) >= 0 {\n", "./core -run TestKeptStanzasStandInTheLine"},
	{"from is not rewritten", "core/session.go", "	st.Stamp(from)\n", "	st.Seal()\n	_ = from\n", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"a forged from is let through", "core/session.go", "	if st.HasFrom && (", "	if st.HasFrom && false && (", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"order swapped in an owner's queue", "core/turns.go", "	if t.tail == nil {\n		t.head = n\n", "	if t.tail == nil || t.head.next == nil {\n		n.next = t.head\n		t.head = n\n", "./core -run TestTurnsKeepOrderAndNeverOverlap"},
	{"the line lets others of the same sender pass", "core/line.go", "l.head != nil && l.senders[sender.Bare()] > 0 }", "l.head != nil && l.senders[sender.Bare()] > 9999 }", "./core -run TestNothingOvertakesBetweenTwo|TestKeptStanzasStandInTheLine"},
	{"forged stanza ids stay", "mod/archive/keep.go", "	e.Stanza = cleaner{router: e.Host.Router, domain: e.Host.Domain, own: a.JID, client: true}.clean(e.Stanza)\n", "", "./mod/archive"},
	{"resumption for another account", "core/resume.go", "subtle.ConstantTimeCompare(h[:], other[:]) == 1", "subtle.ConstantTimeCompare(h[:], other[:]) >= 0", "./core -run TestResumeRefusals"},
	{"what was not acknowledged is not sent again", "core/outbox.go", "	queue = append(queue, o.unacked...)\n", "", "./core -run TestResumeSendsExactlyWhatIsMissing"},
	{"handled counts before the disk has it", "core/window.go", "	for n < len(v.open) && v.open[n].pending == 0 {", "	for n < len(v.open) {", "./core -run TestAcknowledgedMeansDurable|TestKeptStanzas"},
	{"everybody may do everything", "core/permit.go", "	r, known := rules[action]\n", "	if actor.JID != object.Account {\n		return nil\n	}\n	r, known := rules[action]\n", "./core -run TestPermit"},
	{"wrong passwords are accepted", "xmpp/sasl/server.go", "	right := hmac.Equal(h.sum(key), s.cred.StoredKey)\n", "	right := hmac.Equal(h.sum(key), s.cred.StoredKey) || len(key) > 0\n", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"the authorization identity is not checked", "edge/c2s/login.go", "	return err == nil && wanted == account\n", "	return err == nil && wanted.Domain() == account.Domain()\n", "./edge/c2s -run TestAuthorize"},
	{"what a log-in is bound to is not compared", "xmpp/sasl/server.go", "	if m.binding != s.expectedBinding() {", "	if m.binding == \"\" {", "./xmpp/sasl"},
	{"a resource may be asked for under another's name", "edge/c2s/negotiate.go", "	case st.HasFrom && st.From.Bare() != c.account:", "	case st.HasFrom && st.From.Bare() == c.account && false:", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"right passwords do not wait", "edge/c2s/guess.go", "	if c.waited == 0 {\n", "	if c.waited == 0 || right {\n", "./edge/c2s -run TestWaitingRoom"},
	{"what is tried elsewhere delays the user at home", "edge/c2s/guess.go", "	if a.known {\n		own.network = a.network\n	}\n", "", "./edge/c2s -run TestGuesses"},
	{"a full room turns new sources away", "edge/c2s/crowd.go", "	c.drops = true\n", "", "./edge/c2s -run TestCrowdDrops"},
	{"guests talk to everybody", "core/guests.go", "	return listed && h.Router", "	return (listed || peer.Resource() != \"\") && h.Router", "./core -run TestGuest"},
	{"guests have an account", "core/permit.go", "actor.Role == store.RoleGuest && !r.guests", "actor.Role == store.RoleGuest && r.below", "./core -run TestPermit"},
	{"names that nobody has look alike", "mod/account/shapes.go", "	for i, x := range s.list {", "	for i, x := range s.list[:min(1, len(s.list))] {", "./mod/account"},
	{"forged copies stay", "mod/archive/forged.go", "child.Local == \"sent\" || child.Local == \"received\"\n", "child.Local == \"\"\n", "./mod/archive"},
	{"absent contacts are read from the store", "core/owners.go", "	return a != nil && a.turns.Take(w, x)\n", "	if a == nil {\n		o.take(w, bare, x)\n		return true\n	}\n	return a.turns.Take(w, x)\n", "./core -run TestAbsentContactsCostNoRead"},
	{"presence to anybody who probes", "core/presence.go", "bare == a.JID || a.Host.Ports", "bare == a.JID || true || a.Host.Ports", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"no unavailable for directed presence", "core/presence.go", "	for to := range s.directed {", "	for to := range map[jid.JID]struct{}{} {", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"stanza size is not limited", "edge/c2s/conn.go", "		Bytes: limits.StanzaBytes, HeaderBytes: 8_000,", "		Bytes: 64 << 20, HeaderBytes: 8_000,", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"a second process on the same data", "store/sqlstore/lock_unix.go", "unix.LOCK_EX|unix.LOCK_NB", "unix.LOCK_SH|unix.LOCK_NB", "./store/sqlstore"},
	{"copies are given to other devices", "mod/carbons/carbons.go", "		s.SendOnce(e.Work, st.Seal())\n", "		s.Send(e.Work, st.Seal())\n", plays + "TestPlays/.*/.*/.*/xep0198"},
	{"questions overtake messages", "core/host.go", "		h.inOrder(from)\n", "", plays + "TestPlays/.*/.*/.*/xep0313"},
	{"errors tell whether an account exists", "core/account.go", "row == nil || !blind(row.Action) {", "row == nil || row.Do != nil {", plays + "TestPlays/.*/.*/.*/xep0313"},
	{"older counts end the stream", "core/outbox.go", "		return h < o.acked, nil\n", "		return false, nil\n", plays + "TestPlays/.*/.*/.*/xep0198"},
	{"a key that does not fit is taken", "certs/files.go", "	pair, err := tls.LoadX509KeyPair(f.chain, f.key) // fails when the key is another one's\n	if err != nil {\n", "	pair, err := tls.LoadX509KeyPair(f.chain, f.key)\n	if err != nil && f.pair == nil {\n", "./certs -run TestReloadRefuses"},
	{"a new certificate file is not noticed", "certs/files.go", "	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()\n", "	return a.Name() == b.Name()\n", "./certs -run TestReloadTakes"},
	{"an expired certificate takes the place of a good one", "certs/files.go", "	case expired(leaf, now):\n", "	case expired(leaf, now.Add(-2*time.Hour)):\n", "./certs -run TestReloadRefuses"},
	{"a TLS session outlives its certificate", "certs/tickets.go", "		if bytes.Equal(extra, mark) {\n", "		if bytes.HasPrefix(extra, mark[:len(ticketMark)]) {\n", "./certs -run TestChannelBindings"},
	{"traces show the text", "core/trace.go", "short(c.Local)+\" \"+short(c.Space))", "short(c.Local)+\" \"+short(c.Space)+c.Text())", "./core -run TestTraceOfOneMessage"},
	{"what the disk has of a session stays when it lives again", "core/restore.go", "	if err := h.Sessions.Remove(a.ID).Wait(ctx); err != nil {", "	if err := ctx.Err(); err != nil {", "./core -run TestSessionIsRestoredOnce"},
	{"sessions survive a crash", "store/sqlstore/sessions.go", "err == nil && orderly == 0 {", "err == nil && orderly == 2 {", "./core -run TestNoSessionSurvivesACrash"},
	{"what is held for an inactive client is dropped", "core/idle.go", "	if !on {\n		o.release(releasedActive)\n", "	if !on {\n		o.held.take()\n", "./core -run TestInactive"},
	{"presence is not merged for an inactive client", "core/idle.go", "from: st.From, to: to}, !aboutItself(st)", "from: st.From, to: to, detail: st.Raw()}, !aboutItself(st)", "./core -run TestInactive"},
	{"presence does not reach a session on disk", "core/owners.go", "	if a == nil && o.host.shelf.rests(bare) {", "	if a != nil && o.host.shelf.rests(bare) {", "./core -run TestPresenceReachesRestingSession"},
	{"last activity for strangers", "mod/activity/activity.go", "	if !a.Exists || x.host", "	if a.Exists && x.host", plays + "TestPlays/.*/.*/.*/xep0012"},
	{"resent messages are kept twice", "mod/archive/keep.go", "	if origin != 0 {\n		x.recall", "	if origin == 1 {\n		x.recall", "./mod/archive"},
	{"what a blocked address says is kept", "core/account.go", "	if a.Blocks(st.From) {\n		a.keptOut(w, t)\n		return\n	}\n	if !a.guestHears(st) {\n		t.from", "	if !a.guestHears(st) {\n		t.from", plays + "TestPlays/.*/.*/.*/xep0191"},
	{"presence goes to who is blocked", "core/presence.go", "	if a.Blocks(x.to) {\n", "	if a.Blocks(x.to) && x.st == nil {\n", plays + "TestPlays/.*/.*/.*/xep0191"},
	{"another's vCard can be set", "mod/profile/vcard.go", "row.Slow, row.Action, row.Do = stanza.Set, false, core.ActUseAccount, m.setVCard\n", "row.Slow, row.Action, row.Do = stanza.Set, false, core.ActSeeAnyone, m.setVCard\n", plays + "TestPlays/.*/.*/.*/xep0054"},
	{"reports are for everybody", "core/permit.go", "	ActSeeReports:   {roles: guards},\n", "	ActSeeReports:   {relations: isAnyone},\n", "./server -run TestRightsOfAllRows"},
	{"a report copies messages of others", "mod/moderation/moderation.go", "	return peer == about.Bare()\n", "	return peer != jid.JID{}\n", "./mod/moderation -run TestCopies"},
	{"messages of strangers come at once", "mod/strangers/strangers.go", "	h.Hooks.Receiving.Add(m.Name(), m.receiving)\n", "	_ = m.receiving\n", plays + "TestPlays/.*/.*/.*/strangers"},
	{"a token is used twice", "store/sqlstore/invites.go", "UPDATE invites SET used = used + 1 WHERE hash = $1 AND domain = $2 AND kind = 'account' AND used < uses AND", "UPDATE invites SET used = used + 1 WHERE hash = $1 AND domain = $2 AND kind = 'account' AND used < uses + 1 AND", "./store/sqlstore -run TestContract"},
	{"sign-up is open while it is closed", "mod/join/register.go", "	if p.invite.Kind != \"\" || mode == \"open\"", "	if p.invite.Kind != \"\" || mode != \"open\"", "./server -run TestClosed"},
	{"a role above the maker's", "core/permit.go", "(r.notAbove && rank(object.Role) > rank(role))", "(r.notAbove && rank(object.Role) > 9)", "./server -run TestRightsOfAllRows|TestInviteRights"},
	{"an invite outlives its maker's role", "mod/join/invites.go", "|| !m.standsFor(&i)) {", "|| m.host == nil) {", "./server -run TestInviteRights"},
	{"an applicant comes in unapproved", "mod/account/account.go", "	if err == nil && a.Waiting {", "	if err == nil && a.Waiting && a.Leaving {", "./server -run TestApproval"},
	{"an account that has left is still there", "core/owners.go", "	if acc.Leaving {\n", "	if acc.Leaving && acc.ID == 0 {\n", "./server -run TestLeaving"},
	{"an erased account leaves rows behind", "store/sqlstore/accounts.go", "		\"DELETE FROM credentials WHERE account = $1\",\n		\"DELETE FROM leavers", "		\"DELETE FROM leavers", "./server -run TestLeaving"},
	{"whom the stream names is not compared", "edge/c2s/login.go", "	if !c.claimed.IsZero() && c.claimed.Bare() != account {", "	if !c.claimed.IsZero() && c.claimed.Domain() != account.Domain() {", "./server -run TestModernRefusals"},
	{"a token that was given up is accepted", "store/sqlstore/devices.go", "	case e.Invalidate:\n", "	case e.Invalidate && len(e.Used) == 0:\n", plays + "TestPlays/.*/.*/.*/xep0484"},
	{"a token outlives the password", "store/sqlstore/accounts.go", "	if err := dropTokens(w, id); err != nil {\n		return err\n	}\n", "", "./server -run TestTokensEnd"},
	{"a cut list of mechanisms is not noticed", "xmpp/sasl/client.go", "told != downgradeHash(h, c.offered, c.login.ServerBindings)", "told == \"\"", "./xmpp/sasl"},
	{"a token becomes a password", "edge/c2s/upgrade.go", "len(x.wish.Upgrades) == 0 || proven.StoredKey == nil {", "len(x.wish.Upgrades) == 0 {", "./server -run TestTokensUpgradeNothing"},
}
