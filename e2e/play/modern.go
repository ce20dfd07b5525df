package play

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

const nsSASL2 = "urn:xmpp:sasl:2"

// enter logs in by XEP-0388 with SCRAM and these wishes, up to the server's last word, which is left to be received.
func (c *client) enter(wishes string) error {
	if err := c.advance(secured); err != nil {
		return err
	}
	mechanism := ""
	if offered := c.features.child(nsSASL2, "authentication"); offered != nil {
		for _, m := range offered.Children {
			if m.is(nsSASL2, "mechanism") && scramHash(m.Text) != nil {
				mechanism = m.Text
			}
		}
	}
	if mechanism == "" {
		return errors.New("no SCRAM is offered by XEP-0388")
	}
	s := &scram{hash: scramHash(mechanism), password: c.show.password}
	first := base64.StdEncoding.EncodeToString([]byte(s.first(c.user, "nonce"+c.show.Run)))
	err := c.write(fmt.Sprintf("<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>%s</authenticate>", nsSASL2, mechanism, first, wishes))
	if err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsSASL2, "challenge") {
		return errors.Join(err, fmt.Errorf("no <challenge/> but %v", e))
	}
	challenge, err := base64.StdEncoding.DecodeString(e.node.Text)
	if err != nil {
		return err
	}
	final, err := s.final(string(challenge))
	if err != nil {
		return err
	}
	c.managed, c.sent, c.received, c.sm, c.stage = false, 0, 0, "", bound
	return c.write(fmt.Sprintf("<response xmlns='%s'>%s</response>", nsSASL2, base64.StdEncoding.EncodeToString([]byte(final))))
}

// hashedToken is the initial response of HT-SHA-256-NONE (draft-schmaus-kitten-sasl-ht-09).
func hashedToken(user, token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("Initiator"))
	return base64.StdEncoding.EncodeToString(append([]byte(user+"\x00"), m.Sum(nil)...))
}
