package core

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"stonechat/xmpp/stanza"
)

// maxBody bounds the JSON body of one request, bytes.
const maxBody = 64 << 10

// ReadJSON decodes the body of a request strictly; what it refuses is a bad-request.
func ReadJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return stanza.NewError(stanza.BadRequest, err.Error())
	}
	if HasNUL(body) {
		return stanza.NewError(stanza.BadRequest, "a text has a NUL character")
	}
	return nil
}

// HasNUL tells whether a text within JSON has the character NUL, which no XML can say and PostgreSQL cannot keep. In valid JSON it is written
// in one way only.
func HasNUL(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(text[i:], []byte(`\u0000`)) {
			return true
		}
		i++ // what is escaped may be another backslash
	}
	return false
}
