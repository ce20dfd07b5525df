package play

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"

// dialFramed connects by WebSocket (RFC 7395). Plays speak of streams all the same: headers and end tags become what stands for them there, and
// each element goes into a message of its own.
func (c *client) dialFramed() error {
	ctx, cancel := context.WithTimeout(c.show.ctx, c.show.Patience)
	defer cancel()
	var tcp, secure net.Conn
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.show.stage.WebSocket)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, &tls.Config{RootCAs: c.show.stage.Roots, ServerName: c.show.stage.Domain, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		tcp, secure = raw, conn
		return conn, conn.HandshakeContext(ctx)
	}
	// Only what is dialled counts, so the address can be the one that a browser would see.
	ws, _, err := websocket.Dial(ctx, "wss://"+c.show.stage.Domain+"/ws", &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPClient: &http.Client{Transport: &http.Transport{DialTLSContext: dial}},
	})
	if err != nil {
		return err
	}
	ws.SetReadLimit(-1)
	c.drop()
	c.tcp, c.conn, c.ws, c.stage, c.ended, c.orphaned = tcp, secure, ws, connected, false, false
	return nil
}

// writeFramed sends text message by message.
func (c *client) writeFramed(text string) error {
	ctx, cancel := context.WithTimeout(c.show.ctx, c.show.Patience)
	defer cancel()
	for _, m := range frames(text) {
		if err := c.ws.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			return err
		}
	}
	return nil
}

var headerTag = regexp.MustCompile(`^\s*(?:<\?xml[^>]*\?>\s*)?<(?:[a-z]+:)?stream( [^>]*?)?>`)

const endTag = "</stream:stream>"

// frames cuts a text into messages. What is no XML becomes one as it is.
func frames(text string) (all []string) {
	if m := headerTag.FindStringSubmatch(text); m != nil {
		attrs := regexp.MustCompile(` xmlns(:[a-z]+)?=('[^']*'|"[^"]*")`).ReplaceAllString(m[1], "")
		return append([]string{"<open xmlns='" + nsFraming + "'" + attrs + "/>"}, frames(text[len(m[0]):])...)
	}
	text, closed := strings.CutSuffix(strings.TrimSpace(text), endTag)
	all = elements(text)
	if closed {
		all = append(all, "<close xmlns='"+nsFraming+"'/>")
	}
	return all
}

// elements cuts a text into elements that declare their namespaces.
func elements(text string) (all []string) {
	const before = "<play xmlns='" + nsClient + "' xmlns:stream='" + nsStream + "'>"
	d := xml.NewDecoder(strings.NewReader(before + text + "</play>"))
	depth, from := 0, 0
	for {
		start := int(d.InputOffset()) - len(before)
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			return []string{text}
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				from = start
			}
		case xml.EndElement:
			if depth--; depth == 1 {
				all = append(all, standalone(text[from:int(d.InputOffset())-len(before)]))
			}
		case xml.CharData:
			if depth == 1 && strings.TrimSpace(string(t)) != "" {
				return []string{text}
			}
		default:
			return []string{text}
		}
	}
}

var firstName = regexp.MustCompile(`^<[^ />\s]+`)

// standalone adds the declarations that a stream header would have made.
func standalone(element string) string {
	name := firstName.FindString(element)
	tag := element[:strings.IndexByte(element, '>')+1]
	switch {
	case strings.HasPrefix(name, "<stream:") && !strings.Contains(tag, " xmlns:stream="):
		return name + " xmlns:stream='" + nsStream + "'" + element[len(name):]
	case !strings.Contains(name, ":") && !strings.Contains(tag, " xmlns="):
		return name + " xmlns='" + nsClient + "'" + element[len(name):]
	}
	return element
}

// message reads one message.
func (c *client) message() (event, error) {
	ctx, cancel := context.WithTimeout(c.show.ctx, c.show.Patience+time.Second)
	defer cancel()
	kind, data, err := c.ws.Read(ctx)
	if err != nil {
		return ended(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(data)))
	token, err := d.Token()
	start, ok := token.(xml.StartElement)
	if err != nil || !ok || kind != websocket.MessageText {
		return event{}, errors.New("no element in a message of its own: " + string(data))
	}
	switch {
	case start.Name.Space == nsFraming && start.Name.Local == "open":
		start.Name = xml.Name{Space: nsStream, Local: "stream"}
		return event{what: isHeader, node: startNode(start)}, nil
	case start.Name.Space == nsFraming:
		return event{what: isClose}, nil
	}
	n, err := readNode(d, start)
	if err != nil {
		return event{}, errors.Join(errors.New("bad XML in a message: "+string(data)), err)
	}
	if rest, err := d.Token(); !errors.Is(err, io.EOF) {
		return event{}, errors.Join(errors.New("more than one element in a message: "+string(data)), err)
	} else if rest != nil {
		return event{}, errors.New("more than one element in a message: " + string(data))
	}
	if start.Name.Space == "" {
		return event{}, errors.New("no namespace in a message: " + string(data))
	}
	return event{what: isNode, node: n}, nil
}
