package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"time"
)

// A client that resumes a TLS session is shown no certificate again: for channel binding (RFC 5929 section 4) it is still the one of the
// first handshake that counts. So every ticket carries the hash of that, and is good for as long as the certificate is shown. It also ends
// with the certificate what somebody can do who has stolen its key.

// ticketMark begins what we put into tickets; others may put something beside it.
const ticketMark = "stonechat certificate "

// longestHandshake bounds how long the certificate chosen in a handshake and the ticket written in it may be apart.
const longestHandshake = time.Minute

// wrap seals a session with keys that crypto/tls changes every day and forgets after a week, the same for all listeners.
func (b *Book) wrap(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	// Right after a change it is not known which certificate this handshake has shown: then the ticket is good for nobody.
	if b.now().Sub(time.Unix(0, b.changed.Load())) > longestHandshake {
		ss.Extra = append(ss.Extra, b.mark(cs.ServerName))
	}
	return b.tickets.EncryptTicket(cs, ss)
}

// unwrap opens a ticket; nil means that the whole handshake is done.
func (b *Book) unwrap(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	ss, err := b.tickets.DecryptTicket(identity, cs)
	if err != nil || ss == nil {
		return nil, err
	}
	mark := b.mark(cs.ServerName)
	for _, extra := range ss.Extra {
		if bytes.Equal(extra, mark) {
			return ss, nil
		}
	}
	return nil, nil
}

func (b *Book) mark(name string) []byte {
	sum := sha256.Sum256(b.choose(name).Leaf.Raw)
	return append([]byte(ticketMark), sum[:]...)
}
