package sasl

import "errors"

// Condition is a failure condition of RFC 6120 section 6.5, the name of the
// child element of <failure/>.
type Condition string

// Conditions of RFC 6120 section 6.5.
const (
	Aborted              Condition = "aborted"                // section 6.5.1: the initiating entity gave up
	AccountDisabled      Condition = "account-disabled"       // section 6.5.2: only after the proof was right
	CredentialsExpired   Condition = "credentials-expired"    // section 6.5.3
	EncryptionRequired   Condition = "encryption-required"    // section 6.5.4
	IncorrectEncoding    Condition = "incorrect-encoding"     // section 6.5.5: base64 is broken
	InvalidAuthzID       Condition = "invalid-authzid"        // section 6.5.6: nobody may act for somebody else
	InvalidMechanism     Condition = "invalid-mechanism"      // section 6.5.7: not offered
	MalformedRequest     Condition = "malformed-request"      // section 6.5.8: the message breaks the mechanism's syntax
	MechanismTooWeak     Condition = "mechanism-too-weak"     // section 6.5.9
	NotAuthorized        Condition = "not-authorized"         // section 6.5.10: wrong proof, or no such user: never told apart
	TemporaryAuthFailure Condition = "temporary-auth-failure" // section 6.5.11: credentials cannot be read at the moment
)

// Error is a failed login as the other side may see it.
type Error struct {
	// Condition is the failure condition.
	Condition Condition
	// Text is a short English reason without a secret, which may be shown to
	// the peer.
	Text string
	// Err is the cause, if there is one; it is for the log, not for the peer.
	Err error
}

// Error returns the condition and the reason.
func (e *Error) Error() string {
	if e.Text == "" {
		return "sasl: " + string(e.Condition)
	}
	return "sasl: " + string(e.Condition) + ": " + e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors of the initiating role. They do not come as *Error, since nothing
// about them is said to the server except <abort/>.
var (
	// ErrNoMechanism: the server offers nothing that the options allow.
	ErrNoMechanism = errors.New("sasl: no acceptable mechanism offered")
	// ErrServerSignature: the server could not prove that it knows the credential.
	ErrServerSignature = errors.New("sasl: the server did not prove its identity")
	// ErrChallenge: the server's message breaks the syntax or a limit.
	ErrChallenge = errors.New("sasl: unacceptable challenge")
)

func malformed(text string) error { return &Error{Condition: MalformedRequest, Text: text} }

func refused() error { return &Error{Condition: NotAuthorized} }
