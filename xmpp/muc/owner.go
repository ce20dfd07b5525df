package muc

import (
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// OwnerRequest is what an owner asks of a room. With both fields nil it asks for the form.
type OwnerRequest struct {
	// Form is a submission, or its cancellation. One without fields takes the room as it is (section 10.1.2).
	Form *form.Form
	// Destroy ends the room.
	Destroy *Destroy
}

// Instant tells whether the owner takes the room as it is.
func (r OwnerRequest) Instant() bool {
	return r.Form != nil && r.Form.Type == form.Submit && len(r.Form.Fields) == 0
}

// ParseOwner reads a <query/> of muc#owner.
func ParseOwner(n *xmltok.Node, typ stanza.Type) (OwnerRequest, error) {
	var r OwnerRequest
	if !n.Is(ns.MUCOwner, "query") {
		return r, ErrNotMUC
	}
	if typ == stanza.Get {
		return r, nil
	}
	x, destroy := n.Child(ns.DataForm, "x"), n.Child(ns.MUCOwner, "destroy")
	var err error
	switch {
	case (x == nil) == (destroy == nil):
		return r, ErrOwner
	case destroy != nil:
		r.Destroy, err = parseDestroy(destroy, ns.MUCOwner)
		return r, err
	}
	if r.Form, err = form.ParseSubmit(x); err != nil {
		return OwnerRequest{}, err
	}
	// An instant room's form says nothing, not even what it is for.
	if len(r.Form.Fields) > 0 && r.Form.FormType() != ns.MUCRoomConfig {
		return OwnerRequest{}, ErrFormType
	}
	return r, nil
}

// AppendOwner appends a <query/> of muc#owner with its own namespace declaration: with a form, a destruction, or neither.
func AppendOwner(dst []byte, r OwnerRequest) []byte {
	dst = append(dst, "<query xmlns='"+ns.MUCOwner+"'>"...)
	if r.Form != nil {
		dst = r.Form.AppendXML(dst)
	}
	if r.Destroy != nil {
		dst = r.Destroy.appendXML(dst)
	}
	return append(dst, "</query>"...)
}
