package sasl

import (
	"crypto/hmac"
	"crypto/subtle"
	"fmt"
	"strings"
)

// Login is what the initiating side knows and allows.
type Login struct {
	// Username is the name, the localpart of the address.
	Username string
	// Password is the password as typed.
	Password string
	// AuthzID asks to act under this address; "" is the usual choice.
	AuthzID string
	// Bindings are the channel bindings of the connection, the preferred first.
	Bindings []Binding
	// ServerBindings are the types that the server announced (XEP-0440
	// section 3); empty when it said nothing.
	ServerBindings []string
	// NeedHash refuses a server that does not tell the hash of its offer (XEP-0474).
	NeedHash bool
	// AllowPlain lets PLAIN be chosen when nothing better is offered. Set it
	// only on an encrypted connection to a verified server.
	AllowPlain bool
}

// Client is one login attempt of the initiating side. It is not safe for
// concurrent use.
type Client struct {
	mech     Mechanism
	login    Login
	offered  []string
	password string // prepared
	binding  Binding
	header   string
	nonce    string
	bare     string
	step     int
	expect   []byte // the server's signature
	verified bool
}

// Steps of a Client.
const (
	clientStart = iota
	clientWaitFirst
	clientWaitFinal
	clientOver
)

// NewClient chooses the best of the offered mechanisms: channel binding before
// none, wide hashes before narrow ones, PLAIN last and only if allowed. The
// errors are ErrNoMechanism and ErrPassword.
func NewClient(offered []string, l Login) (*Client, error) {
	password, err := preparePassword(l.Password)
	if err != nil {
		return nil, err
	}
	c := &Client{login: l, offered: offered, password: password, nonce: newNonce()}
	binding, canBind := l.chooseBinding()
	best, plusOffered := -1, false
	for _, name := range offered {
		m, ok := ParseMechanism(name)
		if !ok || m.Token {
			continue
		}
		plusOffered = plusOffered || m.Plus
		if m.Plus && !canBind || m.Hash == 0 && !l.AllowPlain {
			continue
		}
		if r := m.rank(); r > best {
			best, c.mech = r, m
		}
	}
	if best < 0 {
		return nil, ErrNoMechanism
	}
	flag := "n"
	switch {
	case c.mech.Plus:
		c.binding, flag = binding, "p="+binding.Type
	case len(l.Bindings) > 0 && !plusOffered:
		// RFC 5802 section 6: say that we could, so that a cut offer is seen.
		flag = "y"
	case len(l.Bindings) > 0 && !canBind:
		// XEP-0474 section 6, new rule 6: go on, if the list of types can be shown to be the server's own.
		c.login.NeedHash = true
	}
	c.header = flag + ","
	if l.AuthzID != "" {
		c.header += "a=" + escapeName(l.AuthzID)
	}
	c.header += ","
	return c, nil
}

func (l Login) chooseBinding() (Binding, bool) {
	for _, b := range l.Bindings {
		if len(l.ServerBindings) == 0 {
			return b, true
		}
		for _, name := range l.ServerBindings {
			if name == b.Type {
				return b, true
			}
		}
	}
	return Binding{}, false
}

// Mechanism returns the mechanism that was chosen.
func (c *Client) Mechanism() string { return c.mech.Name }

// Start returns the initial response.
func (c *Client) Start() []byte {
	if c.mech.Token {
		return c.startToken()
	}
	if c.mech.Hash == 0 {
		c.step = clientOver
		c.verified = true
		return []byte(c.login.AuthzID + "\x00" + c.login.Username + "\x00" + c.password)
	}
	c.step = clientWaitFirst
	c.bare = "n=" + escapeName(c.login.Username) + ",r=" + c.nonce
	return []byte(c.header + c.bare)
}

// Next answers a challenge. The errors wrap ErrChallenge or ErrServerSignature;
// after one the attempt must be aborted.
func (c *Client) Next(challenge []byte) ([]byte, error) {
	step := c.step
	c.step = clientOver
	if len(challenge) > MaxMessage {
		return nil, fmt.Errorf("%w: too long", ErrChallenge)
	}
	switch step {
	case clientWaitFirst:
		out, err := c.answer(string(challenge))
		if err == nil {
			c.step = clientWaitFinal
		}
		return out, err
	case clientWaitFinal:
		if c.mech.Token {
			break
		}
		// Some servers send the signature as a challenge of its own.
		return []byte{}, c.verify(string(challenge))
	}
	return nil, fmt.Errorf("%w: not expected", ErrChallenge)
}

// Finish takes the data of the success element, nil when it was empty, and
// tells whether the server has proven itself. The login must not be used when
// it returns an error, which wraps ErrServerSignature or ErrChallenge.
func (c *Client) Finish(data []byte) error {
	if c.verified && len(data) == 0 {
		return nil
	}
	if c.step != clientWaitFinal || len(data) == 0 || len(data) > MaxMessage {
		return ErrServerSignature
	}
	c.step = clientOver
	if c.mech.Token {
		return c.verifyToken(data)
	}
	return c.verify(string(data))
}

func (c *Client) answer(msg string) ([]byte, error) {
	m, err := parseServerFirst(msg)
	if err != nil {
		return nil, fmt.Errorf("%w: server-first-message", ErrChallenge)
	}
	if len(m.nonce) <= len(c.nonce) || !strings.HasPrefix(m.nonce, c.nonce) {
		return nil, fmt.Errorf("%w: nonce", ErrChallenge)
	}
	if m.iterations < MinIterations || m.iterations > MaxIterations {
		return nil, fmt.Errorf("%w: iteration count %d", ErrChallenge, m.iterations)
	}
	h := c.mech.Hash
	// XEP-0474 section 5.2: before anything is proven. Somebody who changes the hash, too, spoils the proof.
	if told, ok := extension(m.ext, 'h'); ok && told != downgradeHash(h, c.offered, c.login.ServerBindings) || !ok && c.login.NeedHash {
		return nil, ErrDowngrade
	}
	salted, err := saltPassword(h, c.password, m.salt, m.iterations)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChallenge, err)
	}
	bound := append([]byte(c.header), c.binding.Data...)
	without := "c=" + encodeBase64(bound) + ",r=" + m.nonce
	auth := []byte(c.bare + "," + msg + "," + without)
	key := h.mac(salted, []byte("Client Key"))
	proof := h.mac(h.sum(key), auth)
	subtle.XORBytes(proof, proof, key)
	c.expect = h.mac(h.mac(salted, []byte("Server Key")), auth)
	return []byte(without + ",p=" + encodeBase64(proof)), nil
}

func (c *Client) verify(msg string) error {
	signature, problem, err := parseServerFinal(msg)
	switch {
	case err != nil:
		return fmt.Errorf("%w: server-final-message", ErrChallenge)
	case problem != "" || !hmac.Equal(signature, c.expect):
		return ErrServerSignature
	}
	c.verified = true
	return nil
}
