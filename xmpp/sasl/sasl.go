// Package sasl implements the SASL mechanisms of XMPP in both roles: the SCRAM
// family (RFC 5802, RFC 7677), with and without channel binding (RFC 5929,
// RFC 9266), PLAIN (RFC 4616), and on the receiving side ANONYMOUS (RFC 4505).
//
// It deals in decoded messages; base64 and the XML around them belong to the
// stream. A server keeps no password but a Credential, from which the password
// can only be guessed.
package sasl

import "strings"

// Names of mechanisms as they are offered on the wire.
const (
	// Plain is the mechanism of RFC 4616: the password itself is sent.
	Plain = "PLAIN"
	// Anonymous is the mechanism of RFC 4505, for guests. Only Server speaks it.
	Anonymous = "ANONYMOUS"
	// ScramSHA1 is the mechanism of RFC 5802.
	ScramSHA1 = "SCRAM-SHA-1"
	// ScramSHA1Plus is ScramSHA1 with channel binding.
	ScramSHA1Plus = "SCRAM-SHA-1-PLUS"
	// ScramSHA256 is the mechanism of RFC 7677.
	ScramSHA256 = "SCRAM-SHA-256"
	// ScramSHA256Plus is ScramSHA256 with channel binding.
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS"
	// ScramSHA512 is SCRAM with SHA-512, registered but described in a draft only.
	ScramSHA512 = "SCRAM-SHA-512"
	// ScramSHA512Plus is ScramSHA512 with channel binding.
	ScramSHA512Plus = "SCRAM-SHA-512-PLUS"
)

// MaxMessage is the greatest size in bytes of a decoded message that either
// role accepts. Two addresses, a nonce and a proof fit in half of it.
const MaxMessage = 8192

const plusSuffix = "-PLUS"

// Mechanism is one mechanism taken apart.
type Mechanism struct {
	// Name is the name on the wire.
	Name string
	// Hash is the hash function of a SCRAM mechanism, zero for PLAIN.
	Hash Hash
	// Plus says that the mechanism is a SCRAM that binds to the channel.
	Plus bool
	// Token says that the mechanism is of the HT family; Hash is zero then, since
	// the hash is of no use for credentials.
	Token bool
	// Binding is the channel binding of an HT mechanism; "" for none.
	Binding string
}

// ParseMechanism takes a name apart; ok is false for a mechanism that this
// package does not speak. Names are compared as they are: SASL names are upper
// case (RFC 4422 section 3.1).
func ParseMechanism(name string) (m Mechanism, ok bool) {
	if name == Plain {
		return Mechanism{Name: name}, true
	}
	for _, b := range tokenBindings {
		if name == tokenPrefix+b.suffix {
			return Mechanism{Name: name, Token: true, Binding: b.binding}, true
		}
	}
	base, plus := strings.CutSuffix(name, plusSuffix)
	hash, found := strings.CutPrefix(base, "SCRAM-")
	if !found {
		return Mechanism{}, false
	}
	h, ok := ParseHash(hash)
	if !ok {
		return Mechanism{}, false
	}
	return Mechanism{Name: name, Hash: h, Plus: plus}, true
}

// Offer lists the names to offer for these hash functions, strongest first.
// With plus, each comes in its channel-binding form too; with plain, PLAIN is
// the last.
func Offer(hashes []Hash, plus, plain bool) []string {
	var out []string
	if plus {
		out = appendScram(out, hashes, plusSuffix)
	}
	out = appendScram(out, hashes, "")
	if plain {
		out = append(out, Plain)
	}
	return out
}

func appendScram(out []string, hashes []Hash, suffix string) []string {
	for _, h := range []Hash{SHA512, SHA256, SHA1} {
		for _, have := range hashes {
			if have == h {
				out = append(out, "SCRAM-"+h.String()+suffix)
				break
			}
		}
	}
	return out
}

// rank orders mechanisms: PLAIN lowest, channel binding above none, then the
// wider hash.
func (m Mechanism) rank() int {
	r := int(m.Hash)
	if m.Plus {
		r += 100
	}
	return r
}
