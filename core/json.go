package core

import (
	"encoding/json"
	"io"
	"net/http"

	"stonechat/xmpp/stanza"
)

// maxBody bounds the JSON body of one request, bytes.
const maxBody = 64 << 10

// ReadJSON decodes the body of a request strictly; what it refuses is a bad-request.
func ReadJSON(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return stanza.NewError(stanza.BadRequest, err.Error())
	}
	return nil
}
