package stream

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Protocol is the WebSocket sub-protocol of XMPP (RFC 7395 section 3.1).
const Protocol = "xmpp"

// upgradeTime bounds writing the answer to an upgrade.
const upgradeTime = 10 * time.Second

// UpgradeError is a request that cannot become a WebSocket.
type UpgradeError struct {
	// Status is the HTTP status for the answer.
	Status int
	// Text is for people.
	Text string
}

// Error tells the text.
func (e *UpgradeError) Error() string { return "stream: no WebSocket: " + e.Text }

// Upgrade turns an HTTP/1.1 request into a WebSocket with the sub-protocol xmpp
// (RFC 6455 section 4.2, RFC 7395 section 3.1), without extensions: the answer is
// written, and nc belongs to the caller, for NewConn with Options.WebSocket and early
// as Options.Early. An *UpgradeError is for the caller to answer; after any other
// error the connection is closed. Whether the Origin may come is decided before.
func Upgrade(w http.ResponseWriter, r *http.Request) (nc net.Conn, early []byte, err error) {
	key, refused := checkUpgrade(r)
	if refused != nil {
		if refused.Status == http.StatusUpgradeRequired {
			w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 section 4.4
		}
		return nil, nil, refused
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return nil, nil, &UpgradeError{http.StatusHTTPVersionNotSupported, "HTTP/1.1 is needed"}
	}
	nc, rw, err := hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ = rw.Reader.Peek(rw.Reader.Buffered()) // never more than there is
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) +
		"\r\nSec-WebSocket-Protocol: " + Protocol + "\r\n\r\n"
	if err = nc.SetDeadline(time.Now().Add(upgradeTime)); err == nil {
		if _, err = io.WriteString(nc, answer); err == nil {
			err = nc.SetDeadline(time.Time{})
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, nc.Close())
	}
	return nc, early, nil
}

// checkUpgrade returns the client's key.
func checkUpgrade(r *http.Request) (key string, refused *UpgradeError) {
	keys := r.Header.Values("Sec-WebSocket-Key")
	switch {
	case r.Method != http.MethodGet:
		return "", &UpgradeError{http.StatusMethodNotAllowed, "GET only"}
	case !r.ProtoAtLeast(1, 1) || !lists(r.Header.Values("Connection"), "upgrade") || !lists(r.Header.Values("Upgrade"), "websocket"):
		return "", &UpgradeError{http.StatusUpgradeRequired, "this address speaks WebSocket"}
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "", &UpgradeError{http.StatusUpgradeRequired, "WebSocket version 13 is needed"}
	case len(keys) != 1:
		return "", &UpgradeError{http.StatusBadRequest, "one Sec-WebSocket-Key is needed"}
	case !listsExactly(r.Header.Values("Sec-WebSocket-Protocol"), Protocol):
		return "", &UpgradeError{http.StatusBadRequest, "the sub-protocol xmpp is needed"}
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return "", &UpgradeError{http.StatusBadRequest, "a body has no place here"}
	}
	if raw, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(raw) != 16 {
		return "", &UpgradeError{http.StatusBadRequest, "bad Sec-WebSocket-Key"}
	}
	return keys[0], nil
}

// lists tells whether a header that is a list has the token, in any case.
func lists(values []string, token string) bool {
	return each(values, func(s string) bool { return strings.EqualFold(s, token) })
}

// listsExactly is lists for tokens whose case counts.
func listsExactly(values []string, token string) bool {
	return each(values, func(s string) bool { return s == token })
}

func each(values []string, f func(string) bool) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if f(strings.TrimSpace(part)) {
				return true
			}
		}
	}
	return false
}

// acceptKey is RFC 6455 section 4.2.2, number 5.4.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ParseWebSocket reads a wss or ws address.
func ParseWebSocket(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "wss" && u.Scheme != "ws" || u.Hostname() == "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("stream: %q is no WebSocket address", address)
	}
	return u, nil
}

// IsWebSocket tells whether an address of a server is one of a WebSocket.
func IsWebSocket(address string) bool {
	return strings.HasPrefix(address, "wss://") || strings.HasPrefix(address, "ws://")
}

// MayMove tells whether a client of the address from may follow a server to the address
// to: RFC 7395 section 3.6.1 forbids to leave the security of the first, and we speak
// WebSocket only.
func MayMove(from, to string) bool {
	a, err := ParseWebSocket(from)
	if err != nil {
		return false
	}
	b, err := ParseWebSocket(to)
	return err == nil && (a.Scheme == "ws" || b.Scheme == "wss")
}

// hostPort is where to connect for a WebSocket address.
func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"wss": "443", "ws": "80"}[u.Scheme])
}

// maxAnswer bounds the answer to the request of a WebSocket.
const maxAnswer = 16 << 10

// dialUpgrade asks for a WebSocket on a connection that is secured already (RFC 6455
// section 4.1). It returns what came behind the answer.
func dialUpgrade(ctx context.Context, nc net.Conn, u *url.URL) (early []byte, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	key := base64.StdEncoding.EncodeToString(raw)
	_, err = fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n", u.RequestURI(), u.Host, key, Protocol)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(io.LimitReader(nc, maxAnswer), maxAnswer)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, fmt.Errorf("stream: no WebSocket at %s: %w", u, err)
	}
	accepted := answer.Header.Get("Sec-WebSocket-Accept")
	switch {
	case answer.StatusCode != http.StatusSwitchingProtocols:
		return nil, &UpgradeError{answer.StatusCode, "the server answers " + answer.Status}
	case !lists(answer.Header.Values("Upgrade"), "websocket"), !lists(answer.Header.Values("Connection"), "upgrade"),
		subtle.ConstantTimeCompare([]byte(accepted), []byte(acceptKey(key))) != 1,
		answer.Header.Get("Sec-WebSocket-Protocol") != Protocol, answer.Header.Get("Sec-WebSocket-Extensions") != "":
		return nil, &UpgradeError{http.StatusBadGateway, "the server's answer is no WebSocket for XMPP"}
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	early, _ = in.Peek(in.Buffered())
	return early, nil
}
