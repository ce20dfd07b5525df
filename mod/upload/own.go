package upload

import (
	"context"
	"strconv"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// pageOfFiles is how many files one answer has, unless the client wants fewer.
const pageOfFiles = 100

// own lists the asker's files, newest first, and says how much they may have. It runs outside turns.
func (m *Module) own(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	q, err := rsm.ParseRequest(tree.Child(ns.RSM, "set"))
	if err != nil {
		return core.Answer{}, err
	}
	usage, err := m.usageOf(ctx, e.Account.ID, e.Account.Role())
	if err != nil {
		return core.Answer{}, err
	}
	all, err := m.Own.List(ctx, e.Account.ID, m.now())
	if err != nil {
		return core.Answer{}, err
	}
	page, set, err := rsm.Page(all, q, q.Size(pageOfFiles, pageOfFiles), func(f store.File) string { return f.ID })
	if err != nil {
		return core.Answer{}, err
	}
	b := []byte("<files xmlns='" + Space + "'>")
	for _, u := range usage {
		b = xmltok.AppendAttr(append(b, "<usage"...), "purpose", u.Purpose)
		b = xmltok.AppendAttr(b, "files", strconv.Itoa(u.Files))
		b = xmltok.AppendAttr(b, "bytes", strconv.FormatInt(u.Bytes, 10))
		b = append(xmltok.AppendAttr(b, "quota", strconv.FormatInt(u.Quota, 10)), "/>"...)
	}
	base, _ := m.base()
	for _, f := range page {
		b = appendFile(b, base, f)
	}
	return core.Answer{Payload: string(append(set.AppendXML(b), "</files>"...))}, nil
}

// appendFile writes an entry; without a web site it has no address.
func appendFile(b []byte, base string, f store.File) []byte {
	b = xmltok.AppendAttr(append(b, "<file"...), "id", f.ID)
	b = xmltok.AppendAttr(b, "name", f.Name)
	b = xmltok.AppendAttr(b, "size", strconv.FormatInt(f.Size, 10))
	b = xmltok.AppendAttr(b, "content-type", f.Type)
	b = xmltok.AppendAttr(b, "purpose", f.Purpose)
	b = xmltok.AppendAttr(b, "created", string(forward.AppendStamp(nil, f.Created)))
	if !f.Due.IsZero() {
		b = xmltok.AppendAttr(b, "expires", string(forward.AppendStamp(nil, f.Due)))
	}
	if base != "" {
		b = xmltok.AppendAttr(b, "url", base+Path+address{f.ID, f.Name}.escaped())
	}
	return append(b, "/>"...)
}

// removeOwn ends a file of the asker: its address at once, its contents with the next round if nobody else has them.
func (m *Module) removeOwn(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	id, _ := p.Attr("id")
	if id == "" {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "id is missing")
	}
	return core.Answer{}, noSuchFile(m.Own.Remove(e.Account.ID, id).Wait(ctx))
}
