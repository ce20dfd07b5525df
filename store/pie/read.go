// Package pie reads accounts of other servers: the portable format of XEP-0227 version 1.1, as Prosody and ejabberd write it too.
//
// A file is read from front to back, one account in memory at a time. What an account keeps becomes requests that a client of its own could send, so that whoever
// imports needs not know in how many forms a server keeps things. Left out, and counted: message archives and offline messages, since an archive's order is
// that of arrival, and who else may use the nodes of an account.
package pie

import (
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Namespaces of the format, and of files that are included.
const (
	Space    = "urn:xmpp:pie:0"
	scram    = "urn:xmpp:pie:0#scram"
	mam      = "urn:xmpp:pie:0#mam"
	xinclude = "http://www.w3.org/2001/XInclude"
)

// Account is one of a file. Its JSON is a line of an import.
type Account struct {
	Host     string `json:"-"`
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	// Credentials are in the form of RFC 5803.
	Credentials []string  `json:"credentials,omitempty"`
	Contacts    []Contact `json:"contacts,omitempty"`
	// Pending are the bare addresses whose requests to subscribe are open.
	Pending []string `json:"pending,omitempty"`
	// Requests are payloads of IQs of type set that the account sends to itself.
	Requests []string `json:"requests,omitempty"`
}

// Contact is a roster item.
type Contact struct {
	JID          string   `json:"jid"`
	Name         string   `json:"name,omitempty"`
	Subscription string   `json:"subscription,omitempty"`
	Ask          bool     `json:"ask,omitempty"` // its answer to a request of the account is awaited
	Groups       []string `json:"groups,omitempty"`
}

// Reader is a file that is read. Fields are set before Read.
type Reader struct {
	// Each gets one account after the other; its error ends the reading.
	Each func(*Account) error
	// Open gives the file of an <include/> (section 5), by a path relative to the first file that does not lead out of its folder; nil: there are none.
	Open func(name string) (io.ReadCloser, error)
	// Left counts what no account can be given, by what it is.
	Left map[string]int
}

// maxIncludes bounds how deep files include files: server, host and user.
const maxIncludes = 4

// maxAccount is how many bytes an account may have in memory.
const maxAccount = 12 << 20

// Read reads a file whose root is server-data. Its errors name the place.
func (r *Reader) Read(in io.Reader) error {
	if r.Left == nil {
		r.Left = make(map[string]int)
	}
	return r.file(in, place{})
}

// place is where in the structure a file or element stands.
type place struct {
	host   string // empty: outside of hosts
	folder string // of the file that is read, relative to the first one
	depth  int    // of includes
}

// file reads one root: a server, a host or a user, as deep as its place.
func (r *Reader) file(in io.Reader, p place) error {
	s := &source{in: in}
	if mark := "\ufeff"; s.has(mark) {
		s.consume(len(mark))
	}
	t, err := s.tag(scope{})
	if err != nil {
		return err
	}
	if t.closing || t.node.Space != Space {
		return s.failed(errors.New("no file of " + Space))
	}
	if err := r.one(s, scope{}, t, p); err != nil {
		return err
	}
	if more, err := s.gap(); more || err != nil {
		return errors.Join(err, s.failed(errors.New("there is more behind the end")))
	}
	return nil
}

// one reads the element with that tag, which has not been consumed.
func (r *Reader) one(s *source, in scope, t tag, p place) error {
	switch n := t.node; {
	case n.Is(Space, "server-data") && p.host == "":
		return r.each(s, t, func(c tag) error { return r.one(s, t.within, c, p) })
	case n.Is(Space, "host") && p.host == "":
		if p.host = n.Attr("jid"); p.host == "" {
			return s.failed(errors.New("a host without address"))
		}
		return r.each(s, t, func(c tag) error { return r.one(s, t.within, c, p) })
	case n.Is(Space, "user") && p.host != "":
		return r.user(s, t, p)
	case n.Is(xinclude, "include"):
		return r.include(s, in, n, p)
	}
	return r.leave(s, in, t)
}

// each calls f for the tag of each child, which f consumes with its element.
func (r *Reader) each(s *source, t tag, f func(tag) error) error {
	s.consume(t.size)
	if t.empty {
		return nil
	}
	for {
		c, err := s.tag(t.within)
		if err != nil {
			return err
		}
		if c.closing {
			s.consume(c.size)
			return nil
		}
		if err := f(c); err != nil {
			return err
		}
	}
}

// leave counts an element that means nothing to us.
func (r *Reader) leave(s *source, in scope, t tag) error {
	r.Left[t.node.Local]++
	_, err := s.element(in)
	return err
}

// include reads another file in the place of the element (section 5).
func (r *Reader) include(s *source, in scope, n *xmltok.Node, p place) error {
	if _, err := s.element(in); err != nil {
		return err
	}
	name := path.Join(p.folder, n.Attr("href"))
	local, err := filepath.Localize(name)
	_, whole := n.Lookup("", "xpointer")
	_, parsed := n.Lookup("", "parse")
	switch {
	case r.Open == nil || whole || parsed || n.Attr("href") == "":
		r.Left["include"]++
		return nil
	case err != nil || p.depth == maxIncludes:
		return s.failed(fmt.Errorf("include of %q", n.Attr("href")))
	}
	f, err := r.Open(local)
	if err != nil {
		return s.failed(err)
	}
	defer f.Close()
	p.folder, p.depth = path.Dir(name), p.depth+1
	if err := r.file(f, p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// user reads one account.
func (r *Reader) user(s *source, t tag, p place) error {
	u := reading{Account: Account{Host: p.host, Name: t.node.Attr("name"), Password: t.node.Attr("password")}, left: r.Left}
	if u.Name == "" {
		return s.failed(errors.New("a user without name"))
	}
	began := s.at
	err := r.each(s, t, func(c tag) error {
		switch n := c.node; {
		case n.Is(mam, "archive"):
			length, err := r.counted(s, c, "archived message")
			began += length
			return err
		case n.Local == "offline-messages":
			length, err := r.counted(s, c, "offline message")
			began += length
			return err
		}
		st, err := s.element(t.within)
		if err == nil && s.at-began > maxAccount {
			err = s.failed(errors.New("more than an account may have"))
		}
		if err != nil {
			return err
		}
		return u.take(st)
	})
	if err != nil {
		return fmt.Errorf("account %q: %w", u.Name, err)
	}
	u.publish()
	return r.Each(&u.Account)
}

// counted skips what may be larger than memory, element by element, and returns how long it was.
func (r *Reader) counted(s *source, t tag, what string) (int64, error) {
	began := s.at
	err := r.each(s, t, func(tag) error {
		r.Left[what]++
		_, err := s.element(t.within)
		return err
	})
	return s.at - began, err
}

// reading is an account that is read.
type reading struct {
	Account
	left    map[string]int
	nodes   []*items
	options map[string]string // publish-options, by node
}

// items are what stands on one node.
type items struct {
	node string
	all  []string
}

// take takes over one part of an account.
func (u *reading) take(st *stanza.Stanza) error {
	tree, err := st.Tree()
	if err != nil {
		return err
	}
	switch {
	case tree.Is(ns.Roster, "query"):
		u.roster(tree)
	case tree.Is(scram, "scram-credentials"):
		return u.credential(tree)
	case tree.Is(ns.Private, "query"):
		for _, c := range tree.Children {
			u.Requests = append(u.Requests, "<query xmlns='"+ns.Private+"'>"+string(c.AppendXML(nil, ns.Private))+"</query>")
		}
	case tree.Is(ns.VCardTemp, "vCard"):
		u.Requests = append(u.Requests, string(tree.AppendXML(nil, "")))
	case tree.Is(ns.Blocking, "blocklist"):
		var all []string
		for _, i := range tree.All(ns.Blocking, "item") {
			all = append(all, i.Attr("jid"))
		}
		u.block(all)
	case tree.Is(privacy, "query"):
		u.block(u.denied(tree))
	case st.Kind == stanza.Presence && st.Type == stanza.Subscribe && st.HasFrom && st.FromErr == nil:
		u.Pending = append(u.Pending, st.From.Bare().String())
	case tree.Is(ns.PubSubOwner, "pubsub"):
		u.configure(tree)
	case tree.Is(ns.PubSub, "pubsub"):
		for _, n := range tree.All(ns.PubSub, "items") {
			x := &items{node: n.Attr("node")}
			for _, i := range n.All(ns.PubSub, "item") {
				x.all = append(x.all, string(i.AppendXML(nil, ns.PubSub)))
			}
			u.nodes = append(u.nodes, x)
		}
	default:
		u.left[tree.Local]++
	}
	return nil
}

func (u *reading) roster(tree *xmltok.Node) {
	for _, i := range tree.All(ns.Roster, "item") {
		c := Contact{JID: i.Attr("jid"), Name: i.Attr("name"), Subscription: i.Attr("subscription"), Ask: i.Attr("ask") == "subscribe"}
		for _, g := range i.All(ns.Roster, "group") {
			if name := g.Text(); name != "" {
				c.Groups = append(c.Groups, name)
			}
		}
		u.Contacts = append(u.Contacts, c)
	}
}

// credential writes one in the form of RFC 5803. What is no number or base64 is refused by whoever reads that.
func (u *reading) credential(tree *xmltok.Node) error {
	text := func(name string) string {
		if c := tree.Child(scram, name); c != nil {
			return strings.TrimSpace(c.Text())
		}
		return ""
	}
	mechanism := tree.Attr("mechanism")
	count, err := strconv.Atoi(text("iter-count"))
	if err != nil || count <= 0 || mechanism == "" {
		return fmt.Errorf("credentials for %q are incomplete", mechanism)
	}
	u.Credentials = append(u.Credentials, fmt.Sprintf("%s$%d:%s$%s:%s", mechanism, count, text("salt"), text("stored-key"), text("server-key")))
	return nil
}

// privacy lists are XEP-0016.
const privacy = "jabber:iq:privacy"

// denied are the addresses with which the default list lets nothing pass. Whatever else such a list says is more than a block list can.
func (u *reading) denied(tree *xmltok.Node) (out []string) {
	name := ""
	if d := tree.Child(privacy, "default"); d != nil {
		name = d.Attr("name")
	}
	for _, list := range tree.All(privacy, "list") {
		for _, i := range list.All(privacy, "item") {
			if list.Attr("name") == name && i.Attr("type") == "jid" && i.Attr("action") == "deny" && len(i.Children) == 0 {
				out = append(out, i.Attr("value"))
			} else if i.Attr("action") == "deny" {
				u.left["privacy rule"]++
			}
		}
	}
	return out
}

func (u *reading) block(all []string) {
	if len(all) == 0 {
		return
	}
	b := []byte("<block xmlns='" + ns.Blocking + "'>")
	for _, j := range all {
		b = append(xmltok.AppendAttr(append(b, "<item"...), "jid", j), "/>"...)
	}
	u.Requests = append(u.Requests, string(append(b, "</block>"...)))
}

// configure notes how nodes are configured, as far as a publication can say it.
func (u *reading) configure(tree *xmltok.Node) {
	if u.options == nil {
		u.options = make(map[string]string)
	}
	for _, n := range tree.Children {
		switch {
		case n.Is(ns.PubSubOwner, "configure"):
			u.options[n.Attr("node")] = options(n.Child(ns.DataForm, "x"))
		case len(n.Children) > 0:
			u.left[n.Local]++ // who else may read or write it
		}
	}
}

// options are the fields of a form that mean the same everywhere.
func options(x *xmltok.Node) string {
	if x == nil {
		return ""
	}
	b := []byte("<publish-options><x xmlns='" + ns.DataForm + "' type='submit'><field var='FORM_TYPE' type='hidden'><value>" + ns.PubSub + "#publish-options</value></field>")
	empty := len(b)
	for _, f := range x.All(ns.DataForm, "field") {
		v := f.Child(ns.DataForm, "value")
		if name := f.Attr("var"); v != nil && (name == "pubsub#access_model" || name == "pubsub#persist_items" || name == "pubsub#max_items") {
			b = append(xmltok.AppendAttr(append(b, "<field"...), "var", name), "><value>"...)
			b = append(xmltok.AppendEscaped(b, v.Text()), "</value></field>"...)
		}
	}
	if len(b) == empty {
		return ""
	}
	return string(append(b, "</x></publish-options>"...))
}

// publish makes requests of what stands on nodes. Files have the newest last.
func (u *reading) publish() {
	for _, n := range u.nodes {
		for _, item := range n.all {
			b := xmltok.AppendAttr([]byte("<pubsub xmlns='"+ns.PubSub+"'><publish"), "node", n.node)
			b = append(append(append(b, '>'), item...), "</publish>"...)
			u.Requests = append(u.Requests, string(append(append(b, u.options[n.node]...), "</pubsub>"...)))
		}
	}
}
