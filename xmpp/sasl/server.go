package sasl

import (
	"crypto/hmac"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Lookup finds the credential of a user for one hash function. The name is
// prepared (RFC 8265 section 3.3) but may still hold characters that no
// account name has. ok is false when there is no such user or no such
// credential, or the user may not log in; Salt and Iterations of c, where they
// are set, are then what the client is shown. err is for a store that cannot
// answer.
type Lookup func(username string, h Hash) (c Credential, ok bool, err error)

// Options are the terms of one login on the receiving side.
type Options struct {
	// Secret is the key of the salts made up for unknown users. It must have at
	// least 16 bytes and stay the same for the life of the server, or the names
	// of its users can be found out.
	Secret []byte
	// Iterations is the count told for unknown users of whom Lookup says nothing;
	// it should be the one that new credentials get. Less than MinIterations means
	// MinIterations.
	Iterations int
	// Bindings are the channel bindings of this connection. When there is one,
	// -PLUS mechanisms count as offered, and a client that says it could bind
	// but was not offered to ("y") is refused, since somebody cut the offer.
	Bindings []Binding
	// AllowPlain admits PLAIN. Set it only on an encrypted connection.
	AllowPlain bool
	// PlainHash is the hash function whose credential verifies a PLAIN
	// password; zero means SHA256.
	PlainHash Hash
	// Authorize decides whether username may act as the authzid that the client
	// sent, or as itself if that is empty. It is asked once in every attempt,
	// whatever the mechanism. Without it every authzid is refused.
	Authorize func(username, authzid string) bool
	// Deciding is called before anything is said of a proof or password, right or
	// wrong, for users that exist and others alike. It may wait, to slow guessing:
	// were only wrong ones slowed, whoever guesses would not wait for the answer.
	// An error ends the attempt, without a word of what was right. It may be nil.
	Deciding func(username string, right bool) error
	// Guest admits a user without a name (RFC 4505) and returns the one that it
	// gets. ANONYMOUS is not offered without it.
	Guest func() (username string, err error)
	// Offered and OfferedBindings are the lists that the client was shown in this
	// profile. With them, SCRAM tells their hash, so that the client notices when
	// somebody has cut them (XEP-0474).
	Offered, OfferedBindings []string
	// Tokens finds the tokens of the client; without it no HT mechanism is spoken.
	Tokens TokenLookup
}

// ErrOptions says that Options lack a proper secret.
var ErrOptions = errors.New("sasl: the secret for made-up salts is too short")

// Server is one login attempt on the receiving side. It is not safe for
// concurrent use, and of no use after Next returned done or an error.
type Server struct {
	mech    Mechanism
	lookup  Lookup
	opt     Options
	step    int
	user    string
	authzID string

	first       clientFirst
	cred        Credential
	known       bool
	proven      bool
	token       int    // see Token
	nonce       string // client's and server's together
	serverFirst string
	draw        func() string                 // newNonce
	verify      func(Credential, string) bool // Credential.Verify
}

// Steps of a Server.
const (
	stepFirst = iota
	stepFinal
	stepOver
)

// NewServer begins an attempt with the mechanism that the client chose. The
// error is an *Error with InvalidMechanism for one that was not offered under
// these options, or ErrOptions.
func NewServer(mechanism string, lookup Lookup, o Options) (*Server, error) {
	if len(o.Secret) < 16 {
		return nil, ErrOptions
	}
	if mechanism == Anonymous && o.Guest != nil {
		return &Server{mech: Mechanism{Name: Anonymous}, opt: o}, nil
	}
	m, ok := ParseMechanism(mechanism)
	if !ok || !o.speaks(m) {
		return nil, &Error{Condition: InvalidMechanism}
	}
	o.Iterations = max(o.Iterations, MinIterations)
	if !o.PlainHash.valid() {
		o.PlainHash = SHA256
	}
	return &Server{mech: m, lookup: lookup, opt: o, token: -1, draw: newNonce, verify: Credential.Verify}, nil
}

func (o *Options) speaks(m Mechanism) bool {
	switch {
	case m.Token:
		_, bound := findBinding(o.Bindings, m.Binding)
		return o.Tokens != nil && (bound || m.Binding == "")
	case m.Hash == 0:
		return o.AllowPlain
	}
	return !m.Plus || len(o.Bindings) > 0
}

// Mechanism returns the mechanism of the attempt.
func (s *Server) Mechanism() Mechanism { return s.mech }

// Credential returns what the password was proven against; the zero value when
// the mechanism proves a token, or the login failed.
func (s *Server) Credential() Credential {
	if !s.proven || s.mech.Token {
		return Credential{}
	}
	return s.cred
}

// Username returns the prepared name of the user. It is proven only after Next
// returned done without an error; before that it serves rate limits.
func (s *Server) Username() string { return s.user }

// AuthzID returns the authorization identity as the client sent it, "" for none
// (RFC 6120 section 6.3.8). When it is not empty, Options.Authorize has agreed.
func (s *Server) AuthzID() string { return s.authzID }

// Next takes the client's decoded response and returns what to send. With done
// the user is authenticated and challenge, if not nil, belongs into the success
// element. A nil response says that the client sent no initial response; the
// answer then is an empty challenge (RFC 4422 section 5). Every error is an
// *Error and ends the attempt; none of them tells whether the user exists.
func (s *Server) Next(response []byte) (challenge []byte, done bool, err error) {
	step := s.step
	s.step = stepOver
	switch {
	case step == stepOver:
		return nil, false, malformed("the exchange is over")
	case len(response) > MaxMessage:
		return nil, false, malformed("message too long")
	case s.mech.Name == Anonymous:
		return s.anonymous(string(response))
	case response == nil && step == stepFirst && s.mech.Token:
		return nil, false, malformed("the mechanism begins with the client") // it has one round trip only
	case response == nil && step == stepFirst:
		s.step = stepFirst
		return []byte{}, false, nil
	case s.mech.Token:
		return s.byToken(string(response))
	case s.mech.Hash == 0:
		return s.plain(string(response))
	case step == stepFirst:
		challenge, err = s.clientFirst(string(response))
		if err == nil {
			s.step = stepFinal
		}
		return challenge, false, err
	}
	return s.clientFinal(string(response))
}

func (s *Server) clientFirst(msg string) ([]byte, error) {
	m, err := parseClientFirst(msg)
	if err != nil {
		return nil, malformed("client-first-message")
	}
	if err := s.checkBinding(m); err != nil {
		return nil, err
	}
	s.first, s.user = m, prepareUsername(m.user)
	if err := s.authorize(m.authzID); err != nil {
		return nil, err
	}
	if err := s.find(s.mech.Hash); err != nil {
		return nil, err
	}
	s.nonce = m.nonce + s.draw()
	s.serverFirst = "r=" + s.nonce + ",s=" + encodeBase64(s.cred.Salt) + ",i=" + strconv.Itoa(s.cred.Iterations)
	if len(s.opt.Offered) > 0 {
		s.serverFirst += ",h=" + downgradeHash(s.mech.Hash, s.opt.Offered, s.opt.OfferedBindings)
	}
	return []byte(s.serverFirst), nil
}

// checkBinding applies the table of RFC 5802 section 6.
func (s *Server) checkBinding(m clientFirst) error {
	switch {
	case s.mech.Plus != (m.flag == 'p'):
		return malformed("channel binding flag does not fit the mechanism")
	case m.flag == 'y' && len(s.opt.Bindings) > 0:
		// The client was not shown the -PLUS mechanisms that were offered.
		return &Error{Condition: NotAuthorized, Text: "channel binding was offered"}
	case m.flag == 'p':
		if _, ok := findBinding(s.opt.Bindings, m.binding); !ok {
			return malformed("unknown channel binding type")
		}
	}
	return nil
}

// authorize keeps anybody from speaking for somebody else. Every mechanism comes
// by here as soon as it knows the name.
func (s *Server) authorize(authzID string) error {
	if s.opt.Authorize == nil && authzID == "" {
		return nil
	}
	if s.opt.Authorize == nil || !s.opt.Authorize(s.user, authzID) {
		return &Error{Condition: InvalidAuthzID}
	}
	s.authzID = authzID
	return nil
}

// find reads the credential, or makes one up that no password fits.
func (s *Server) find(h Hash) error {
	c, ok, err := s.lookup(s.user, h)
	if err != nil {
		return &Error{Condition: TemporaryAuthFailure, Err: err}
	}
	made := s.madeUp(h, c)
	if s.known = ok && c.Hash == h && c.valid(); !s.known {
		c = made
	}
	s.cred = c
	return nil
}

// madeUp is the same for a name as long as the secret is, and looks like a
// real one from outside; as what is shown says, if it says anything.
func (s *Server) madeUp(h Hash, shown Credential) Credential {
	part := func(label string) []byte {
		return SHA512.mac(s.opt.Secret, []byte(label+"\x00"+h.String()+"\x00"+s.user))
	}
	c := Credential{
		Hash: h, Iterations: s.opt.Iterations, Salt: part("salt")[:SaltSize],
		StoredKey: part("stored")[:h.Size()], ServerKey: part("server")[:h.Size()],
	}
	if len(shown.Salt) > 0 && len(shown.Salt) <= maxSalt && shown.Iterations > 0 && shown.Iterations <= MaxIterations {
		c.Salt, c.Iterations = shown.Salt, shown.Iterations
	}
	return c
}

func (s *Server) clientFinal(msg string) ([]byte, bool, error) {
	m, err := parseClientFinal(msg)
	if err != nil {
		return nil, false, malformed("client-final-message")
	}
	if m.binding != s.expectedBinding() {
		return nil, false, &Error{Condition: NotAuthorized, Text: "channel bindings do not match"}
	}
	if subtle.ConstantTimeCompare([]byte(m.nonce), []byte(s.nonce)) != 1 {
		// RFC 5802 section 5.1: the server verifies it; well-formed but of another exchange, it proves nothing.
		return nil, false, &Error{Condition: NotAuthorized, Text: "nonce does not match"}
	}
	h := s.cred.Hash
	if len(m.proof) != h.Size() {
		return nil, false, malformed("length of the proof")
	}
	auth := []byte(s.first.bare + "," + s.serverFirst + "," + m.without)
	// RFC 5802 section 3: the proof hides the client key behind the signature.
	key := h.mac(s.cred.StoredKey, auth)
	subtle.XORBytes(key, key, m.proof)
	right := hmac.Equal(h.sum(key), s.cred.StoredKey)
	if err := s.decide(right && s.known); err != nil {
		return nil, false, err
	}
	if err := s.admit(); err != nil {
		return nil, false, err
	}
	s.proven = true
	return []byte("v=" + encodeBase64(h.mac(s.cred.ServerKey, auth))), true, nil
}

// admit tells somebody whose proof was right that they may not come in (RFC 6120 section 6.5.2).
func (s *Server) admit() error {
	if s.cred.Refusal != "" {
		return &Error{Condition: AccountDisabled, Text: s.cred.Refusal}
	}
	return nil
}

// decide says whether the user is who it claims to be, when it is time to.
func (s *Server) decide(right bool) error {
	if s.opt.Deciding != nil {
		if err := s.opt.Deciding(s.user, right); err != nil {
			return &Error{Condition: TemporaryAuthFailure, Err: err}
		}
	}
	if !right {
		return refused()
	}
	return nil
}

// expectedBinding is the only value that c= may have, to the byte.
func (s *Server) expectedBinding() string {
	data := []byte(s.first.header)
	if s.first.flag == 'p' {
		b, _ := findBinding(s.opt.Bindings, s.first.binding)
		data = append(data, b.Data...)
	}
	return encodeBase64(data)
}

// plain is the whole exchange of RFC 4616 section 2.
func (s *Server) plain(msg string) ([]byte, bool, error) {
	parts := strings.Split(msg, "\x00")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" || !validText(parts[0]+parts[1]+parts[2]) {
		return nil, false, malformed("PLAIN message")
	}
	s.user = prepareUsername(parts[1])
	if err := s.authorize(parts[0]); err != nil {
		return nil, false, err
	}
	if err := s.find(s.opt.PlainHash); err != nil {
		return nil, false, err
	}
	right := s.verify(s.cred, parts[2])
	if err := s.decide(right && s.known); err != nil {
		return nil, false, err
	}
	if err := s.admit(); err != nil {
		return nil, false, err
	}
	s.proven = true
	return nil, true, nil
}

// maxTrace is how long the trace information of a guest may be (RFC 4505
// section 2), in characters.
const maxTrace = 255

// anonymous is the whole exchange of RFC 4505 section 2. What a guest says of
// itself proves nothing and is not kept.
func (s *Server) anonymous(trace string) ([]byte, bool, error) {
	if !utf8.ValidString(trace) || utf8.RuneCountInString(trace) > maxTrace || strings.ContainsRune(trace, 0) {
		return nil, false, malformed("ANONYMOUS message")
	}
	user, err := s.opt.Guest()
	if err != nil {
		return nil, false, &Error{Condition: TemporaryAuthFailure, Err: err}
	}
	s.user = user
	return nil, true, nil
}
