package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// keptVersion is that of the stored form; a row of another one is void.
const keptVersion = 1

// keptState is the stored form of a session without a connection. Its address, its owner and the hash of its id are columns of their own.
type keptState struct {
	Version    int        `json:"v"`
	Address    string     `json:"address,omitempty"`
	Device     string     `json:"device,omitempty"`
	Since      int64      `json:"since"` // microseconds
	Lost       int64      `json:"lost"`  // microseconds
	Wait       int64      `json:"wait"`  // milliseconds from then
	Handled    uint32     `json:"handled"`
	Acked      uint32     `json:"acked"`
	Exact      bool       `json:"exact,omitempty"`
	Available  bool       `json:"available,omitempty"`
	Priority   int8       `json:"priority,omitempty"`
	Presence   string     `json:"presence,omitempty"`
	Interested bool       `json:"interested,omitempty"`
	Copied     bool       `json:"copied,omitempty"`
	Watching   bool       `json:"watching,omitempty"`
	Follows    bool       `json:"follows,omitempty"`
	Directed   []string   `json:"directed,omitempty"`
	Void       bool       `json:"void,omitempty"` // its queue could not be kept: it is only there to be ended
	Unacked    []keptItem `json:"unacked,omitempty"`
	Queue      []keptItem `json:"queue,omitempty"`
}

// keptItem is one item of an outbox: a stanza, or the place of a message in the owner's archive.
type keptItem struct {
	To   string `json:"to,omitempty"`
	Raw  string `json:"raw,omitempty"`
	Key  int64  `json:"key,omitempty"`
	Late int64  `json:"late,omitempty"` // microseconds: when it was queued without a connection
	Once bool   `json:"once,omitempty"`
	Many bool   `json:"many,omitempty"`
}

var errKept = errors.New("not the stored form of a session")

// decodeKept reads what encode wrote. The stanzas in it are read by item, when they are needed.
func decodeKept(b []byte) (*keptState, error) {
	k := new(keptState)
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("%w: %w", errKept, err)
	}
	if k.Version != keptVersion || k.Wait < 0 || k.Wait > int64(time.Duration(1<<63-1)/time.Millisecond) {
		return nil, fmt.Errorf("%w of version %d", errKept, keptVersion)
	}
	return k, nil
}

func (k *keptState) encode() ([]byte, error) {
	k.Version = keptVersion
	return json.Marshal(k)
}

// ends is when the session can be resumed no more.
func (k *keptState) ends() time.Time {
	return time.UnixMicro(k.Lost).Add(time.Duration(k.Wait) * time.Millisecond)
}

// keys are the messages that stand in the archive alone.
func (k *keptState) keys() []store.Key {
	var keys []store.Key
	for _, list := range [][]keptItem{k.Unacked, k.Queue} {
		for i := range list {
			if list[i].Raw == "" {
				keys = append(keys, store.Key(list[i].Key))
			}
		}
	}
	return keys
}

// keep is the stored form of a stanza that waits.
func (it *item) keep() keptItem {
	k := keptItem{To: it.to.String(), Key: int64(it.key), Late: it.late, Once: it.once, Many: it.many}
	if it.kept == "" || it.key == 0 {
		k.Raw = it.st.Standalone()
	}
	return k
}

// item is the stanza again. rows are what the owner's archive has of it, sc reads one after another.
func (k *keptItem) item(sc *xmltok.Scanner, owner, host jid.JID, rows map[store.Key]store.Row) (item, error) {
	it := item{key: store.Key(k.Key), late: k.Late, once: k.Once, many: k.Many}
	if k.To != "" {
		to, err := jid.Parse(k.To)
		if err != nil {
			return it, fmt.Errorf("%w: %w", errKept, err)
		}
		it.to = to
	}
	text, more := k.Raw, ""
	if text == "" {
		row, ok := rows[it.key]
		if !ok {
			return it, fmt.Errorf("%w: a message has left the archive", errKept)
		}
		it.kept = row.ID
		text, more = string(row.Stanza), StanzaID(row.ID, owner)
		if k.Late != 0 {
			more += delay(host, time.UnixMicro(k.Late))
		}
	}
	st, err := stanza.ParseWith(sc, text)
	if err == nil && more != "" {
		st, err = st.WithChildren(more)
	}
	switch {
	case err != nil:
		return it, fmt.Errorf("%w: %w", errKept, err)
	case st.Kind == stanza.Nonza || st.ToErr != nil || st.FromErr != nil:
		return it, fmt.Errorf("%w: no stanza of ours", errKept)
	}
	it.st = st.Seal()
	it.size = size(st)
	return it, nil
}

// keptItems are the stanzas of a list.
func keptItems(list []keptItem, owner, host jid.JID, rows map[store.Key]store.Row) ([]item, error) {
	out, sc := make([]item, 0, len(list)), xmltok.NewScanner(xmltok.TreeLimits)
	for i := range list {
		it, err := list[i].item(sc, owner, host, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, it)
	}
	return out, nil
}

// delay is the element of XEP-0203 that tells when a stanza could not be sent.
func delay(by jid.JID, at time.Time) string {
	b := xmltok.AppendAttr([]byte("<delay xmlns='"+ns.Delay+"'"), "from", by.String())
	return string(append(xmltok.AppendAttr(b, "stamp", at.UTC().Format("2006-01-02T15:04:05.000Z")), "/>"...))
}

// delayed stamps a message that is queued while there is no connection with the time (XEP-0198 section 4: "servers SHOULD add a delay element
// with the original (failed) delivery timestamp"). Presence is as of now whenever it is read, and an answer from an archive has its own time.
func (it *item) delayed(by jid.JID, now time.Time) {
	st := it.st
	if st == nil || st.Kind != stanza.Message || st.Type == stanza.TypeError || st.Has(ns.Delay, "delay") || st.Has(ns.Archive, "") {
		return
	}
	if late, err := st.WithChildren(delay(by, now)); err == nil {
		it.st, it.late = late.Seal(), now.UnixMicro()
		it.size = size(late)
	}
}

// keptForm is all of a session but its outbox.
func (s *Session) keptForm() *keptState {
	k := &keptState{
		Device: s.Device, Since: s.Since.UnixMicro(), Lost: s.lostAt.UnixMicro(), Wait: s.resume.wait.Milliseconds(),
		Void: s.resume.void, Handled: s.win.counted(), Available: s.available, Priority: s.priority, Interested: s.interested, Copied: s.copied,
		Watching: s.watching, Follows: s.follows,
	}
	if s.Address.IsValid() {
		k.Address = s.Address.String()
	}
	if s.presence != nil {
		k.Presence = s.presence.Standalone()
	}
	for to := range s.directed {
		k.Directed = append(k.Directed, to.String())
	}
	return k
}

// revive makes the session of a row, without a connection and without its queue.
func (a *Account) revive(row *store.KeptSession, k *keptState) (*Session, error) {
	full, err := a.JID.WithResource(row.Resource)
	if err != nil || len(row.ID) != len(smID{}) {
		return nil, errKept
	}
	s := &Session{
		JID: full, Account: a, Since: time.UnixMicro(k.Since), Device: k.Device, state: detached, managed: true, lostAt: time.UnixMicro(k.Lost),
		available: k.Available, priority: k.Priority, interested: k.Interested, copied: k.Copied, watching: k.Watching, follows: k.Follows,
		resume: &resumption{id: smID(row.ID), wait: time.Duration(k.Wait) * time.Millisecond, void: k.Void},
	}
	if address, err := netip.ParseAddrPort(k.Address); err == nil {
		s.Address = address
	}
	if k.Presence != "" {
		st, err := stanza.Parse(k.Presence)
		if err != nil || st.Kind != stanza.Presence || st.From != full {
			return nil, errKept
		}
		s.presence = st.Seal()
	}
	if k.Available != (s.presence != nil) {
		return nil, errKept
	}
	for _, text := range k.Directed {
		to, err := jid.Parse(text)
		if err != nil {
			return nil, errKept
		}
		if s.directed == nil {
			s.directed = make(map[jid.JID]struct{}, len(k.Directed))
		}
		s.directed[to] = struct{}{}
	}
	s.win.total = &a.Host.metrics.windows
	s.win.settled = k.Handled
	s.out.session = s
	s.out.managed, s.out.enabled, s.out.acked, s.out.exact = true, true, k.Acked, k.Exact
	return s, nil
}
