// Package wire is the client side of the load generator: just enough XMPP to
// log in, send and receive, at a cost of a few microseconds per stanza. It
// does not parse XML; it cuts the stream into elements and looks for known
// bytes, because generator and server share the machine and the cost of one
// falsifies the figure of the other. Programs use xmpp/client instead.
//
// It speaks RFC 6120 over plain TCP, STARTTLS and direct TLS, SCRAM-SHA-1
// (RFC 5802), resource binding and XEP-0198 acknowledgements, and the
// one-line login of the floor programs.
package wire
