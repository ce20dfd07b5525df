package sasl

import (
	"crypto/hmac"
	"fmt"
	"strings"
)

// Names of the mechanisms of draft-schmaus-kitten-sasl-ht-09 that bind to
// nothing, and to the types that this package knows.
const (
	// HTNone proves a token and binds to nothing.
	HTNone = "HT-SHA-256-NONE"
	// HTEndPoint binds to TLSServerEndPoint.
	HTEndPoint = "HT-SHA-256-ENDP"
	// HTExporter binds to TLSExporter.
	HTExporter = "HT-SHA-256-EXPR"
)

// tokenBindings are the names of channel bindings in the mechanisms of the HT
// family, the preferred first.
var tokenBindings = [...]struct{ suffix, binding string }{
	{"-EXPR", TLSExporter}, {"-ENDP", TLSServerEndPoint}, {"-NONE", ""},
}

const tokenPrefix = "HT-SHA-256"

// OfferTokens lists the HT mechanisms that can be offered where these channel
// bindings are seen, the preferred first. HTNone is always among them.
func OfferTokens(bindings []Binding) []string {
	var out []string
	for _, b := range tokenBindings {
		if _, ok := findBinding(bindings, b.binding); ok || b.binding == "" {
			out = append(out, tokenPrefix+b.suffix)
		}
	}
	return out
}

// Token is one secret that the user may prove to have.
type Token struct {
	// Secret is the token as the client was told it; empty for one that nobody has.
	Secret string
	// Expired says that the token is trusted no more.
	Expired bool
}

// tokenSlots is how many tokens of one client are compared (XEP-0484 section 5.1).
const tokenSlots = 2

// TokenLookup finds up to two tokens of the client that logs in, which were made
// for this mechanism, the newest first. err is for a store that cannot answer.
type TokenLookup func(username, mechanism string) ([]Token, error)

// mark is one of the two words under which a token is hashed.
func (m Mechanism) mark(token, word string, b Binding) []byte {
	return SHA256.mac([]byte(token), append([]byte(word), b.Data...))
}

// byToken is the whole exchange of an HT mechanism on the receiving side.
func (s *Server) byToken(msg string) ([]byte, bool, error) {
	user, proof, ok := strings.Cut(msg, "\x00")
	if !ok || user == "" || !validText(user) || len(proof) != SHA256.Size() {
		return nil, false, malformed("initiator message")
	}
	s.user = prepareUsername(user)
	if err := s.authorize(""); err != nil {
		return nil, false, err
	}
	b, _ := findBinding(s.opt.Bindings, s.mech.Binding)
	tokens, err := s.opt.Tokens(s.user, s.mech.Name)
	if err != nil {
		return nil, false, &Error{Condition: TemporaryAuthFailure, Err: err}
	}
	// As much is computed for users that do not exist as for others.
	for i := range tokenSlots {
		t := Token{}
		if i < len(tokens) {
			t = tokens[i]
		}
		right := hmac.Equal(s.mech.mark(t.Secret, "Initiator", b), []byte(proof))
		if right && t.Secret != "" && s.token < 0 {
			s.token = i
		}
	}
	switch {
	case s.token < 0:
		return nil, false, s.decide(false)
	case tokens[s.token].Expired:
		// XEP-0484 section 4.2: a token that is trusted no more.
		return nil, false, &Error{Condition: CredentialsExpired}
	}
	// A right one is no guess, so nobody waits for the guesses of others with it.
	return s.mech.mark(tokens[s.token].Secret, "Responder", b), true, nil
}

// Token tells which of the tokens of Options.Tokens was proven; -1: none, since
// the mechanism is another one or the login failed.
func (s *Server) Token() int { return s.token }

// NewTokenClient returns a login attempt with a token that was made for that
// mechanism (XEP-0484). The errors are ErrNoMechanism for a mechanism that is
// not of the HT family, or whose channel binding the connection has not, and
// ErrPassword for an empty token.
func NewTokenClient(mechanism, token string, l Login) (*Client, error) {
	m, ok := ParseMechanism(mechanism)
	if !ok || !m.Token {
		return nil, fmt.Errorf("%w: %s", ErrNoMechanism, mechanism)
	}
	if token == "" {
		return nil, ErrPassword
	}
	c := &Client{mech: m, login: l, password: token}
	if m.Binding != "" {
		if c.binding, ok = findBinding(l.Bindings, m.Binding); !ok {
			return nil, fmt.Errorf("%w: %s", ErrNoMechanism, mechanism)
		}
	}
	return c, nil
}

// startToken is the only message of the client.
func (c *Client) startToken() []byte {
	c.step = clientWaitFinal
	return append([]byte(c.login.Username+"\x00"), c.mech.mark(c.password, "Initiator", c.binding)...)
}

// verifyToken judges the server's proof that it knows the token, too.
func (c *Client) verifyToken(data []byte) error {
	if !hmac.Equal(data, c.mech.mark(c.password, "Responder", c.binding)) {
		return ErrServerSignature
	}
	c.verified = true
	return nil
}

// PreferredToken returns the HT mechanism to ask a token for: the first of ours
// that is offered and whose channel binding the connection has; "" for none.
func PreferredToken(offered []string, bindings []Binding) string {
	for _, name := range OfferTokens(bindings) {
		for _, o := range offered {
			if o == name {
				return name
			}
		}
	}
	return ""
}
