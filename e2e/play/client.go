package play

import (
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// What came from the server.
const (
	isNode   = iota // a complete element
	isHeader        // the start of a stream
	isClose         // the end of a stream
	isEnd           // the end of the connection
)

type event struct {
	what int
	node *Node
}

func (e event) String() string {
	switch e.what {
	case isClose:
		return "</stream:stream>"
	case isEnd:
		return "(end of the connection)"
	default:
		return e.node.String()
	}
}

// How far a connection has come.
const (
	nowhere = iota
	connected
	opened
	secured
	authenticated
	bound
)

// client is one client of the cast with its connection.
type client struct {
	role     Role
	user     string
	way      Way
	show     *Performance
	conn     net.Conn // on top of tcp
	tcp      net.Conn
	ws       *websocket.Conn // on top of conn, by WebSocket
	xml      *xml.Decoder
	stage    int
	features *Node
	full     string
	pending  []event // read, not yet asked for
	optional []*Node // of "may receive"
	fences   map[string]bool
	refused  map[string]bool // fences that came back as errors
	ended    bool            // the connection has ended
	orphaned bool            // the server was restarted under it

	managed        bool // stream management is on
	autoAck        bool
	sent, received uint32
	sm             string
}

func (c *client) bare() string { return c.user + "@" + c.show.stage.Domain }

// live tells whether stanzas can go to and fro.
func (c *client) live() bool { return c.conn != nil && c.stage == bound && !c.ended && !c.orphaned }

func (c *client) dial() error {
	addr := c.show.stage.STARTTLS
	switch c.way {
	case WebSocket:
		return c.dialFramed()
	case DirectTLS:
		addr = c.show.stage.DirectTLS
	}
	dialer := net.Dialer{Timeout: c.show.Patience}
	tcp, err := dialer.DialContext(c.show.ctx, "tcp", addr)
	if err != nil {
		return err
	}
	c.drop()
	c.tcp, c.conn, c.stage, c.ended, c.orphaned = tcp, tcp, connected, false, false
	if c.way == DirectTLS {
		return c.encrypt()
	}
	c.xml = xml.NewDecoder(c.conn)
	return nil
}

// drop closes the connection without a word and forgets what was not read.
func (c *client) drop() {
	if c.tcp != nil {
		_ = c.tcp.Close()
	}
	c.tcp, c.conn, c.ws, c.stage, c.pending = nil, nil, nil, nowhere, nil
}

func (c *client) encrypt() error {
	config := &tls.Config{RootCAs: c.show.stage.Roots, ServerName: c.show.stage.Domain, MinVersion: tls.VersionTLS12}
	if c.way == DirectTLS {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 section 2
	}
	_ = c.tcp.SetDeadline(time.Now().Add(c.show.Patience))
	secure := tls.Client(c.tcp, config)
	if err := secure.HandshakeContext(c.show.ctx); err != nil {
		return err
	}
	c.conn = secure
	c.xml = xml.NewDecoder(secure)
	return nil
}

func (c *client) write(text string) error {
	if c.conn == nil {
		return fmt.Errorf("%s has no connection", c.role.Name)
	}
	if !strings.Contains(text, "id='fence-") {
		c.show.note(c, ">", text)
	}
	_ = c.tcp.SetWriteDeadline(time.Now().Add(c.show.Patience))
	if c.ws != nil {
		return c.writeFramed(text)
	}
	_, err := io.WriteString(c.conn, text)
	return err
}

// next returns what comes next and is not for the runner itself.
func (c *client) next() (event, error) {
	if len(c.pending) > 0 {
		e := c.pending[0]
		c.pending = c.pending[1:]
		return e, nil
	}
	for {
		e, mine, err := c.read()
		if err != nil || !mine {
			return e, err
		}
	}
}

// read reads one event; mine if the runner keeps it for itself.
func (c *client) read() (e event, mine bool, err error) {
	if c.conn == nil {
		return event{}, false, fmt.Errorf("%s has no connection", c.role.Name)
	}
	if c.ended {
		return event{what: isEnd}, false, nil
	}
	_ = c.tcp.SetReadDeadline(time.Now().Add(c.show.Patience))
	e, err = c.token()
	if err != nil {
		return e, false, err
	}
	if e.what == isEnd {
		c.ended = true
	}
	mine = e.what == isNode && c.account(e.node)
	if !mine {
		c.show.note(c, "<", e.String())
	}
	return e, mine, nil
}

func (c *client) token() (event, error) {
	if c.ws != nil {
		return c.message()
	}
	for {
		token, err := c.xml.Token()
		if err != nil {
			return ended(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Space == nsStream && t.Name.Local == "stream" {
				return event{what: isHeader, node: startNode(t)}, nil
			}
			n, err := readNode(c.xml, t)
			if err != nil {
				return ended(err)
			}
			return event{what: isNode, node: n}, nil
		case xml.EndElement:
			return event{what: isClose}, nil
		case xml.CharData:
			if text := strings.TrimSpace(string(t)); text != "" {
				return event{}, fmt.Errorf("text %q between stanzas", text)
			}
		}
	}
}

// ended says what it means that nothing more can be read.
func ended(err error) (event, error) {
	var timeout net.Error
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return event{}, errNothing
	case errors.Is(err, errForbidden), errors.As(err, &syntax) && !strings.Contains(syntax.Msg, "unexpected EOF"):
		return event{}, fmt.Errorf("the server sends bad XML: %w", err)
	default:
		return event{what: isEnd}, nil
	}
}

// account keeps the counters of stream management and takes what belongs to fences out.
func (c *client) account(n *Node) (mine bool) {
	switch {
	case n.is(nsSM, "enabled"):
		c.managed, c.received, c.sm = true, 0, n.get("id")
	case n.is(nsSM, "r"):
		if c.autoAck {
			_ = c.write(fmt.Sprintf("<a xmlns='%s' h='%d'/>", nsSM, c.received))
		}
	case n.Name.Space == nsClient:
		c.received++
		if id := n.get("id"); strings.HasPrefix(id, "fence-") {
			c.fences[id], c.refused[id] = true, n.get("type") == "error"
			return !strings.HasPrefix(id, "fence-keep-")
		}
	}
	return false
}

// countSent looks at what was sent for the counters of stream management.
func (c *client) countSent(text string) {
	nodes, err := ParsePattern(text)
	if err != nil {
		return
	}
	for _, n := range nodes {
		switch {
		case n.is(nsSM, "enable"):
			c.sent = 0
		case n.Name.Space == nsClient:
			c.sent++
		}
	}
}

// stanza writes a stanza of the runner's own.
func (c *client) stanza(text string) error {
	c.sent++
	return c.write(text)
}

var errNothing = errors.New("nothing came")
