package sqlstore

import (
	"stonechat/store"
	"stonechat/store/words"
	"stonechat/xmpp/xmltok"
)

// noter turns rows of archives into what is noted of them, within one transaction of the index.
type noter struct {
	x  *index
	w  *writer
	db *DB
	sc *xmltok.Scanner
	// look reads a row of an archive; ok is false when there is none.
	look func(owner store.Owner, key store.Key) (r row, ok bool, err error)
}

// note takes a row that is new to the index.
func (n *noter) note(r *row) error {
	m, err := words.Read(n.sc, r.stanza)
	if err != nil {
		return nil // what cannot be read cannot be found
	}
	if m.Retracts != "" {
		return n.takeBack(r, m.Retracts)
	}
	if m.Replaces != "" {
		// XEP-0308 section 3: a correction names the first form, whatever was corrected before. So it takes that one's name along.
		if err := n.forget(r, m.Replaces); err != nil {
			return err
		}
		m.Names = append(m.Names, m.Replaces)
	}
	return n.put(r, &m)
}

// again takes a row that was replaced: all that is noted of it, and of what corrected it, is void.
func (n *noter) again(owner store.Owner, key store.Key) error {
	if _, err := n.w.exec(n.x.remove, int64(key)); err != nil {
		return err
	}
	r, ok, err := n.look(owner, key)
	if err != nil || !ok {
		return err
	}
	m, err := words.Read(n.sc, r.stanza)
	if err != nil {
		return nil
	}
	for _, name := range m.Names {
		if err := n.forget(&r, name); err != nil {
			return err
		}
	}
	return n.put(&r, &m)
}

// put notes the words of a row, if it has any.
func (n *noter) put(r *row, m *words.Message) error {
	e := entry{key: r.key, words: words.Of(m.Text)}
	if len(e.words) == 0 && !m.Link {
		return nil
	}
	d := directionOf(r.flags)
	e.marks = []string{ownerMark(r.owner), directionMark(d), peerMark(r.peer)}
	if r.resource != "" {
		e.marks = append(e.marks, resourceMark(r.peer, r.resource))
	}
	if m.Link {
		e.marks = append(e.marks, linkMark)
	}
	for _, name := range m.Names {
		e.marks = append(e.marks, nameMark(d, r.peer, name))
	}
	_, err := n.w.change(n.x.insert, n.x.document(&e)...)
	return err
}

// forget takes out what the writer of r has written under a name.
func (n *noter) forget(r *row, name string) error {
	t := terms{marks: []string{ownerMark(r.owner), nameMark(directionOf(r.flags), r.peer, name)}}
	_, err := n.w.exec(n.x.removeBy, n.x.condition(&t), int64(removeRows))
	return err
}

// takeBack takes out what the writer of r takes back: between two by the name that it gave its message (XEP-0424 section 3), in a room by
// the id that the archive gave it.
func (n *noter) takeBack(r *row, name string) error {
	key, ok := n.db.keyOf(r.owner, name)
	if !ok {
		return n.forget(r, name)
	}
	was, ok, err := n.look(r.owner, key)
	if err != nil || !ok || was.peer != r.peer || directionOf(was.flags) != directionOf(r.flags) {
		return err
	}
	if _, err := n.w.exec(n.x.remove, int64(key)); err != nil {
		return err
	}
	m, err := words.Read(n.sc, was.stanza)
	if err != nil {
		return nil
	}
	for _, name := range m.Names {
		if err := n.forget(&was, name); err != nil {
			return err
		}
	}
	return nil
}
