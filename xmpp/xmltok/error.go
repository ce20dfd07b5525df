package xmltok

// Conditions of RFC 6120 section 4.9.3 that the tokenizer reports.
const (
	// BadFormat: text between the top-level elements of a stream.
	BadFormat = "bad-format"
	// BadNamespacePrefix: a prefix of the stream header that nothing binds.
	BadNamespacePrefix = "bad-namespace-prefix"
	// InvalidNamespace: the stream header is not in the streams namespace.
	InvalidNamespace = "invalid-namespace"
	// NotWellFormed: a violation of XML 1.0 or of Namespaces in XML 1.0.
	NotWellFormed = "not-well-formed"
	// PolicyViolation: a limit was passed.
	PolicyViolation = "policy-violation"
	// RestrictedXML: a feature of XML that RFC 6120 section 11.1 forbids.
	RestrictedXML = "restricted-xml"
	// UnsupportedEncoding: bytes that are not UTF-8, or a declaration of another encoding.
	UnsupportedEncoding = "unsupported-encoding"
)

// Error says why input was refused.
type Error struct {
	// Condition is the stream error condition of RFC 6120 section 4.9.3.
	Condition string
	// Text is a short English reason; it never quotes the input.
	Text string
	// Offset is the position of the offending byte or token in the buffer.
	Offset int
}

// Error returns condition and reason, without a byte of the input.
func (e *Error) Error() string { return "xml: " + e.Condition + ": " + e.Text }
