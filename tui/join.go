package tui

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"stonechat/xmpp/client"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/uri"
)

// ErrApproval says that the account was made and that somebody must approve it.
var ErrApproval = errors.New("your account is made; an administrator has to let you in before you can talk")

// RefusedError says that another name or password may be taken.
type RefusedError struct{ Text string }

// Error says what is wrong with it.
func (e *RefusedError) Error() string { return e.Text }

// Register makes the account, or sets its password, by the token of an invite, and proves by logging in that it works. Among its errors are
// *RefusedError and ErrApproval.
func Register(ctx context.Context, a Account, token string) error {
	c, err := a.dial(ctx, client.Config{Register: &stream.Registration{Token: token}})
	if err == nil {
		return c.Close(ctx)
	}
	return err
}

// registering puts errors of a registration into words; nil for any other.
func registering(err error) error {
	var refused *stream.RegistrationError
	var login *stream.LoginError
	switch {
	case errors.As(err, &login) && login.Condition == sasl.AccountDisabled:
		return ErrApproval
	case errors.Is(err, stream.ErrToken):
		return errors.New("the invite is unknown, was used, or has expired: ask for another")
	case errors.Is(err, stream.ErrNoRegistration):
		return errors.New("this server takes no invites")
	case !errors.As(err, &refused):
		return nil
	}
	text := Escape(refused.Err.Text)
	switch refused.Err.Condition {
	case stanza.Conflict:
		return &RefusedError{"the name is taken"}
	case stanza.NotAcceptable:
		return &RefusedError{text}
	}
	return fmt.Errorf("the server refuses: %s", strings.TrimSuffix(Escape(string(refused.Err.Condition))+": "+text, ": "))
}

// AskLine asks for one line, with what is typed shown.
func AskLine(in io.Reader, out *os.File, prompt string) (string, error) {
	if _, err := out.WriteString(prompt); err != nil {
		return "", err
	}
	// What is typed behind it belongs to the next question: nothing is read ahead.
	line, err := bufio.NewReader(oneByte{in}).ReadString('\n')
	if err != nil && line == "" {
		return "", errInterrupted
	}
	return strings.TrimSpace(line), nil
}

// cmdInvite has the server make a link.
func (ch *chat) cmdInvite(string) error {
	ch.request(func(ctx context.Context) (func(), error) {
		i, err := ch.client.Invite(ctx)
		return func() { ch.showInvitation(i) }, err
	})
	return nil
}

func (ch *chat) showInvitation(i client.Invitation) {
	lines := []string{"-- give this to one person; whoever opens it becomes a contact of yours", "   " + Escape(i.URI)}
	if i.Page != "" {
		lines = append(lines, "   in a browser: "+Escape(i.Page))
	}
	if i.Code != "" {
		lines = append(lines, "   or to type:   stonechat chat --invite "+Escape(i.Code))
	}
	if !i.Expires.IsZero() {
		lines = append(lines, "-- good until "+i.Expires.Local().Format(time.DateTime))
	}
	ch.screen.print(lines...)
}

// addByLink makes a contact of whoever gave us a link.
func (ch *chat) addByLink(link string) error {
	i, err := uri.ParseInvite(link)
	switch {
	case err != nil:
		return errors.New("this link cannot be read")
	case i.Inviter.IsZero():
		return errors.New("this link is for a new account: stonechat chat --invite LINK")
	case i.Inviter == ch.self:
		return errors.New("this is your own link")
	}
	item := client.RosterItem{JID: i.Inviter, Name: ch.roster[i.Inviter].Name, Groups: ch.roster[i.Inviter].Groups}
	ch.request(func(ctx context.Context) (func(), error) {
		if err := ch.client.SetRoster(ctx, item); err != nil {
			return nil, err
		}
		_, err := ch.client.SubscribeWith(ctx, i.Inviter, i.Token)
		return func() { ch.note("asked %s with the link", ch.name(i.Inviter)) }, err
	})
	return nil
}
