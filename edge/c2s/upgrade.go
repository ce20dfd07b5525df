package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
)

// upgradable are the hashes for which a client may bring a credential.
func upgradable() []sasl.Hash { return []sasl.Hash{sasl.SHA512, sasl.SHA256} }

// upgradeTask is the name of the task (XEP-0480 section 2.1).
func upgradeTask(h sasl.Hash) string { return "UPGR-SCRAM-" + h.String() }

// upgrade has the client do those tasks that it asked for and that its account needs (XEP-0480 section 3). Only who has proven the password may
// say what follows from it: a token must not become one.
func (x *entering) upgrade(ctx context.Context) error {
	upgrades, proven := x.host.Ports.Upgrades, x.server.Credential()
	if upgrades == nil || len(x.wish.Upgrades) == 0 || proven.StoredKey == nil {
		return nil
	}
	missing, err := upgrades.Missing(ctx, x.account)
	if err != nil {
		return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Err: err}
	}
	for _, h := range upgradable() {
		if !slices.Contains(missing, h) || !slices.Contains(x.wish.Upgrades, upgradeTask(h)) {
			continue
		}
		c, err := x.askCredential(h)
		if err != nil {
			return err
		}
		err = upgrades.Upgrade(ctx, x.account, c, proven)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return &sasl.Error{Condition: sasl.NotAuthorized} // the password was changed meanwhile
		case err != nil:
			// The client can still be let in; it will be asked again.
			x.door.obs.Log.Error("credential not added", obs.Conn, x.number, obs.JID, x.account.String(), obs.Err, err)
		}
	}
	return nil
}

// askCredential is one task.
func (x *entering) askCredential(h sasl.Hash) (sasl.Credential, error) {
	if err := x.stream.Task(upgradeTask(h), x.data); err != nil {
		return sasl.Credential{}, err
	}
	x.data = nil // it was sent
	salt, iterations := sasl.NewSalt(), x.door.config.Login.Iterations
	answer, err := x.stream.TaskData("<salt xmlns='" + ns.SCRAMUpgrade + "' iterations='" + strconv.Itoa(iterations) + "'>" +
		base64.StdEncoding.EncodeToString(salt) + "</salt>")
	if err != nil {
		return sasl.Credential{}, err
	}
	salted, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(answer.Child(ns.SCRAMUpgrade, "hash").Text()))
	if err != nil {
		return sasl.Credential{}, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	c, err := sasl.SaltedCredential(h, salted, salt, iterations)
	if err != nil {
		return sasl.Credential{}, &sasl.Error{Condition: sasl.MalformedRequest, Text: "length of the hash"}
	}
	return c, nil
}
