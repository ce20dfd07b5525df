package stream

import (
	"errors"

	"stonechat/xmpp/stanza"
)

// PeerError is a stream error that the peer sent (RFC 6120 section 4.9). It
// closes the stream; nothing is to be answered but the end tag.
type PeerError struct {
	// Err is the error.
	Err *stanza.StreamError
}

// Error says who sent the error, and which.
func (e *PeerError) Error() string { return "stream: error from the peer: " + e.Err.Error() }

// Unwrap returns the *stanza.StreamError.
func (e *PeerError) Unwrap() error { return e.Err }

// ErrInjected says that the peer sent bytes in the clear behind the point
// where TLS was to begin. Somebody may have put them there, so the connection
// must end (RFC 6120 section 5.4.3.3).
var ErrInjected = errors.New("stream: bytes in the clear behind STARTTLS")

// streamError turns what the tokenizer complains about into the error to send.
func streamError(err error) error {
	if e := stanza.AsStreamError(err); e != nil {
		return e
	}
	return err
}
