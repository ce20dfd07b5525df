package stream

import (
	"strconv"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// AckRequest is <r/> (XEP-0198 section 4).
const AckRequest = "<r xmlns='" + ns.StreamManagement + "'/>"

// AppendAck appends <a/> with that count of handled stanzas (XEP-0198
// section 4).
func AppendAck(dst []byte, handled uint32) []byte {
	dst = append(dst, "<a xmlns='"+ns.StreamManagement+"' h='"...)
	dst = strconv.AppendUint(dst, uint64(handled), 10)
	return append(dst, "'/>"...)
}

// Handled returns the attribute h of <a/>, <resume/>, <resumed/> or <failed/>.
func Handled(st *stanza.Stanza) (h uint32, ok bool) {
	s, _ := st.Attr("h")
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// Resumption is what is needed to take up a session again (XEP-0198
// section 5).
type Resumption struct {
	// ID is the SM-ID; "" when the session cannot be resumed.
	ID string
	// Handled counts the stanzas that this side has handled.
	Handled uint32
	// Max is how long the server keeps the session; 0 when it did not say.
	Max time.Duration
	// Location is where the server would like to see us again, or "".
	Location string
}

// enabled reads <enabled/>.
func enabled(attr func(name string) string) Resumption {
	var r Resumption
	if v := attr("resume"); v == "true" || v == "1" {
		r.ID = attr("id")
	}
	if n, err := strconv.ParseUint(attr("max"), 10, 31); err == nil {
		r.Max = time.Duration(n) * time.Second
	}
	r.Location = attr("location")
	return r
}

// attrOf reads attributes, "" for one that is not there.
func attrOf(st *stanza.Stanza) func(name string) string {
	return func(name string) string {
		v, _ := st.Attr(name)
		return v
	}
}

func resumeRequest(r Resumption) string {
	b := []byte("<resume xmlns='" + ns.StreamManagement + "' h='")
	b = strconv.AppendUint(b, uint64(r.Handled), 10)
	b = append(b, '\'')
	b = xmltok.AppendAttr(b, "previd", r.ID)
	return string(append(b, "/>"...))
}
