package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// hook answers DNS-01 (RFC 8555 section 8.4) by a program of the administrator's: PROGRAM present|cleanup NAME VALUE, where NAME is the full
// name of the TXT record without a dot at its end. It inherits the environment and gets STONECHAT_DOMAIN, the name to be certified. It
// returns when the record can be seen by everybody, or is gone.
type hook struct {
	program  string
	patience time.Duration
}

// afterKill is how long what the program has started may keep its output open.
const afterKill = 5 * time.Second

// maxSaid is how much of the program's standard error is logged, bytes.
const maxSaid = 300

// Present has the record made.
func (h hook) Present(ctx context.Context, c acme.Challenge) error { return h.run(ctx, "present", c) }

// CleanUp has it removed, also when the attempt was given up.
func (h hook) CleanUp(ctx context.Context, c acme.Challenge) error {
	return h.run(context.WithoutCancel(ctx), "cleanup", c)
}

func (h hook) run(ctx context.Context, action string, c acme.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	var said tail
	cmd := exec.CommandContext(ctx, h.program, action, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
	cmd.Env = append(os.Environ(), "STONECHAT_DOMAIN="+c.Identifier.Value)
	cmd.Stderr, cmd.WaitDelay = &said, afterKill
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("dns hook %s: %w: %q", action, err, said.b)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > maxSaid {
		t.b = bytes.Clone(t.b[len(t.b)-maxSaid:])
	}
	return len(p), nil
}
