package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"stonechat/tui"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/uri"
)

// mostAnswers is how often somebody may choose another name or password.
const mostAnswers = 10

// newcomer uses an invite, or a link for a new password, and returns the account that can log in then.
func (c *chatCmd) newcomer(account string) (tui.Account, error) {
	link, reset := c.Invite, c.Reset != ""
	if reset {
		link = c.Reset
	}
	i, err := uri.ParseInvite(link)
	switch {
	case err != nil:
		return tui.Account{}, errors.New("this link or code cannot be read")
	case !i.Account:
		return tui.Account{}, fmt.Errorf("this link is for people who have an account: stonechat chat YOUR-ADDRESS, then /add %s", tui.Escape(link))
	}
	file, err := c.file()
	if err != nil {
		return tui.Account{}, err
	}
	a, err := c.place(file)
	if err != nil {
		return a, err
	}
	given, err := c.givenPassword(chatFile{})
	if err != nil {
		return a, err
	}
	domain := tui.Escape(i.Domain.String())
	if !reset {
		fmt.Fprintf(os.Stderr, "A new account at %s.\n", domain)
		if !i.Inviter.IsZero() {
			fmt.Fprintf(os.Stderr, "%s has invited you and will be your contact.\n", tui.Escape(i.Inviter.String()))
		}
	}
	for range mostAnswers {
		if a.JID, err = c.chosenName(account, i); err != nil {
			return a, err
		}
		if a.Password = given; given == "" {
			if a.Password, err = choosePassword(a.JID); err != nil {
				return a, err
			}
		}
		bounded, cancel := context.WithTimeout(context.Background(), c.Timeout)
		err = tui.Register(bounded, a, i.Token)
		cancel()
		var refused *tui.RefusedError
		if !errors.As(err, &refused) || (given != "" && (account != "" || i.Name != "")) {
			return a, err
		}
		fmt.Fprintln(os.Stderr, "That does not work:", refused.Text)
		if refused.Text != "" && i.Name == "" {
			account = "" // another name may be chosen as well
		}
	}
	return a, err
}

// chosenName is the address of the account: as the link or the command line says, or as somebody types it.
func (c *chatCmd) chosenName(account string, i uri.Invite) (jid.JID, error) {
	name := i.Name
	if name == "" && account != "" {
		j, err := jid.Parse(account)
		if err != nil || (j.Local() != "" && j.DomainJID() != i.Domain) {
			return j, errors.New("the invite is for an account at " + tui.Escape(i.Domain.String()))
		}
		if name = j.Local(); name == "" {
			name = account
		}
	}
	for {
		if name == "" {
			var err error
			if name, err = tui.AskLine(os.Stdin, os.Stderr, "Your name, what stands before the @: "); err != nil {
				return jid.JID{}, err
			}
		}
		local, err := jid.PrepareLocal(name)
		if err == nil {
			return jid.New(local, i.Domain.Domain(), "")
		}
		fmt.Fprintln(os.Stderr, "This cannot be a name: letters, digits, dots and dashes, no spaces.")
		name = ""
	}
}

// choosePassword asks twice.
func choosePassword(j jid.JID) (string, error) {
	for {
		first, err := tui.AskPassword(os.Stdin, os.Stderr, "A password for "+tui.Escape(j.String())+", 8 characters or more: ")
		if err != nil {
			return "", err
		}
		again, err := tui.AskPassword(os.Stdin, os.Stderr, "Once more: ")
		if err != nil {
			return "", err
		}
		if first == again && first != "" {
			return first, nil
		}
		fmt.Fprintln(os.Stderr, "The two differ.")
	}
}
