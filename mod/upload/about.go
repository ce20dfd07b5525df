package upload

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace of what no standard has: people list and remove their own files, and ask what the server knows of a file; see docs/files.md.
const Space = "urn:stonechat:files:1"

// about answers what is known of the file at an address, in the words of XEP-0446, so that the client may put it into its message. It tells nothing that whoever has the
// address could not find out. It runs outside turns.
func (m *Module) about(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	address, _ := p.Attr("url")
	base, ok := m.base()
	path, ours := strings.CutPrefix(address, base)
	if !ok || !ours {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no file of this server")
	}
	f, err := m.stored(ctx, path)
	var no *refusal
	switch {
	case errors.As(err, &no):
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no such file")
	case err != nil:
		return core.Answer{}, err
	}
	b := appendMetadata([]byte("<about xmlns='"+Space+"'>"), f, address)
	if len(f.Look.Waveform) > 0 {
		// How it was found out is told: it is a guess.
		b = append(b, "<waveform from='packets'>"...)
		for i, v := range f.Look.Waveform {
			if i > 0 {
				b = append(b, ' ')
			}
			b = strconv.AppendUint(b, uint64(v), 10)
		}
		b = append(b, "</waveform>"...)
	}
	return core.Answer{Payload: string(append(b, "</about>"...))}, nil
}

// appendMetadata writes what is known of a file at an address (XEP-0446 section 2).
func appendMetadata(b []byte, f store.File, address string) []byte {
	text := func(name, value string) {
		b = append(b, "<"+name+">"...)
		b = append(xmltok.AppendEscaped(b, value), "</"+name+">"...)
	}
	number := func(name string, n int64) {
		if n > 0 {
			text(name, strconv.FormatInt(n, 10))
		}
	}
	b = append(b, "<file xmlns='"+ns.FileMetadata+"'>"...)
	text("media-type", f.Type)
	text("name", f.Name)
	text("size", strconv.FormatInt(f.Size, 10))
	// XEP-0300 section 4.
	b = append(b, "<hash xmlns='"+ns.Hashes+"' algo='sha-256'>"+base64.StdEncoding.EncodeToString(f.Hash)+"</hash>"...)
	number("width", int64(f.Look.Width))
	number("height", int64(f.Look.Height))
	number("length", f.Look.Duration.Milliseconds())
	t := f.Look.Thumb
	if t.Hash != nil {
		b = appendThumb(b, address+"?"+thumbnail, t.Type, t)
	}
	if f.Look.Blurhash != "" {
		b = appendThumb(b, "data:image/blurhash,"+url.PathEscape(f.Look.Blurhash), "image/blurhash", t)
	}
	return append(b, "</file>"...)
}

// appendThumb is XEP-0264 section 4.
func appendThumb(b []byte, uri, kind string, t store.Thumb) []byte {
	b = xmltok.AppendAttr(append(b, "<thumbnail xmlns='"+ns.Thumbs+"'"...), "uri", uri)
	b = xmltok.AppendAttr(b, "media-type", kind)
	b = xmltok.AppendAttr(b, "width", strconv.Itoa(t.Width))
	return append(xmltok.AppendAttr(b, "height", strconv.Itoa(t.Height)), "/>"...)
}
