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
	{"commits are not synced", "store/sqlstore/sqlite.go", "\"journal_mode(WAL)\", f.synchronous(), ", "\"journal_mode(WAL)\", \"synchronous(OFF)\", ", "./e2e/chaos -run TestStorePowerCut$ -cycles 3"},
	{"tickets done before the commit", "core/line.go", "	if len(tickets) == 0 {\n", "	if len(tickets) >= 0 {\n", "./core -run TestKeptStanzasStandInTheLine"},
	{"from is not rewritten", "core/session.go", "	st.Stamp(from)\n", "	st.Seal()\n	_ = from\n", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"a forged from is let through", "core/session.go", "	if st.HasFrom && (", "	if st.HasFrom && false && (", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"order swapped in an owner's queue", "core/turns.go", "	if t.tail == nil {\n		t.head = n\n", "	if t.tail == nil || t.head.next == nil {\n		n.next = t.head\n		t.head = n\n", "./core -run TestTurnsKeepOrderAndNeverOverlap"},
	{"the line lets others of the same sender pass", "core/line.go", "l.head != nil && l.senders[sender.Bare()] > 0 }", "l.head != nil && l.senders[sender.Bare()] > 9999 }", "./core -run TestNothingOvertakesBetweenTwo|TestKeptStanzasStandInTheLine"},
	{"forged stanza ids stay", "mod/archive/keep.go", "	e.Stanza = cleaner{router: e.Host.Router, domain: e.Host.Domain, own: a.JID, client: true}.clean(e.Stanza)\n", "", "./mod/archive"},
	{"resumption for another account", "core/resume.go", "subtle.ConstantTimeCompare([]byte(s.resume.id), []byte(id)) == 1", "subtle.ConstantTimeCompare([]byte(s.resume.id), []byte(id)) >= 0", "./core -run TestResumeRefusals"},
	{"what was not acknowledged is not sent again", "core/outbox.go", "	queue = append(queue, o.unacked...)\n", "", "./core -run TestResumeSendsExactlyWhatIsMissing"},
	{"handled counts before the disk has it", "core/window.go", "	for n < len(v.open) && v.open[n].pending == 0 {", "	for n < len(v.open) {", "./core -run TestAcknowledgedMeansDurable|TestKeptStanzas"},
	{"everybody may do everything", "core/permit.go", "	r, known := rules[action]\n", "	if actor.JID != object.Account {\n		return nil\n	}\n	r, known := rules[action]\n", "./core -run TestPermit"},
	{"wrong passwords are accepted", "xmpp/sasl/server.go", "	right := hmac.Equal(h.sum(key), s.cred.StoredKey)\n", "	right := hmac.Equal(h.sum(key), s.cred.StoredKey) || len(key) > 0\n", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"the authorization identity is not checked", "edge/c2s/login.go", "	return err == nil && wanted == account\n", "	return err == nil && wanted.Domain() == account.Domain()\n", "./edge/c2s -run TestAuthorize"},
	{"what a log-in is bound to is not compared", "xmpp/sasl/server.go", "	if m.binding != s.expectedBinding() {", "	if m.binding == \"\" {", "./xmpp/sasl"},
	{"a resource may be asked for under another's name", "edge/c2s/negotiate.go", "	case st.HasFrom && st.From.Bare() != c.account:", "	case st.HasFrom && st.From.Bare() == c.account && false:", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"forged copies stay", "mod/archive/forged.go", "child.Local == \"sent\" || child.Local == \"received\"\n", "child.Local == \"\"\n", "./mod/archive"},
	{"absent contacts are read from the store", "core/owners.go", "	return a != nil && a.turns.Take(w, x)\n", "	if a == nil {\n		o.take(w, bare, x)\n		return true\n	}\n	return a.turns.Take(w, x)\n", "./core -run TestAbsentContactsCostNoRead"},
	{"presence to anybody who probes", "core/presence.go", "bare == a.JID || a.Host.Ports", "bare == a.JID || true || a.Host.Ports", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"no unavailable for directed presence", "core/presence.go", "	for to := range s.directed {", "	for to := range map[jid.JID]struct{}{} {", plays + "TestPlays/.*/.*/.*/rfc6121"},
	{"stanza size is not limited", "edge/c2s/conn.go", "		Bytes: limits.StanzaBytes, HeaderBytes: 8_000,", "		Bytes: 64 << 20, HeaderBytes: 8_000,", plays + "TestPlays/.*/.*/.*/rfc6120"},
	{"a second process on the same data", "store/sqlstore/lock_unix.go", "unix.LOCK_EX|unix.LOCK_NB", "unix.LOCK_SH|unix.LOCK_NB", "./store/sqlstore"},
	{"copies are given to other devices", "mod/carbons/carbons.go", "		s.SendOnce(e.Work, st.Seal())\n", "		s.Send(e.Work, st.Seal())\n", plays + "TestPlays/.*/.*/.*/xep0198"},
	{"questions overtake messages", "core/host.go", "		h.inOrder(from)\n", "", plays + "TestPlays/.*/.*/.*/xep0313"},
	{"errors tell whether an account exists", "core/account.go", "row == nil || !blind(row.Action) {", "row == nil || row.Do != nil {", plays + "TestPlays/.*/.*/.*/xep0313"},
	{"older counts end the stream", "core/outbox.go", "		return h < o.acked\n", "		return false\n", plays + "TestPlays/.*/.*/.*/xep0198"},
	{"resent messages are kept twice", "mod/archive/keep.go", "	if origin != 0 {\n		x.recall", "	if origin == 1 {\n		x.recall", "./mod/archive"},
	{"writers are not pinned to owners", "store/sqlstore/lane.go", "func (db *DB) queueOf(owner store.Owner) *queue { return &db.laneOf(owner).queue }", "func (db *DB) queueOf(store.Owner) *queue { return &db.laneOf(store.Owner(db.keys.next())).queue }", "./store/sqlstore -run TestNoKeyBeforeItsElder"},
	{"the hold on the database is not checked", "store/sqlstore/postgres_session.go", "WHERE lane = %d AND token = '%s'\", s.lane.trying, s.id, s.owner.token))", "WHERE lane = %d\", s.lane.trying, s.id))", "./store/sqlstore -run TestTakenOver"},
	{"a commit in doubt counts as lost", "store/sqlstore/postgres_session.go", "	case s.lane.doubt && seq == s.lane.trying:\n		kept = true\n", "	case s.lane.doubt && seq == s.lane.trying:\n", "./store/sqlstore -run TestCommitInDoubt"},
	{"a commit in doubt counts as kept", "store/sqlstore/postgres_session.go", "	s.lane.seq, s.lane.doubt, s.lane.pid = seq,", "	kept = kept || s.lane.doubt\n	s.lane.seq, s.lane.doubt, s.lane.pid = seq,", "./store/sqlstore -run TestCommitInDoubt"},
	{"a backup without a table", "store/sqlstore/tables.go", "map[string]bool{\"schema_version\": true,", "map[string]bool{\"secrets\": true, \"schema_version\": true,", "./store/backup -run TestEveryTable"},
	{"a backup is not compared with its manifest", "store/dump/read.go", "	return m, r.compare(&m)\n", "	return m, nil\n", "./store/dump"},
	{"files of a backup leave their folder", "store/dump/format.go", "path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name))", "path.Clean(name) != \"\" && filepath.Separator != 0", "./store/dump"},
}
