package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"stonechat/store"
)

// push implements store.Push.
type push struct{ db *DB }

const (
	selectPushTargets = `SELECT id, owner, service, node, kind, device, data, enabled, errors, said, at, past FROM push_targets WHERE owner = $1 ORDER BY id`
	countPushTargets  = "SELECT COUNT(*) FROM push_targets WHERE owner = $1 AND NOT (service = $2 AND node = $3)"
	upsertPushTarget  = `INSERT INTO push_targets (owner, service, node, kind, device, data, enabled, errors, said, at, past) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', 0, '')
		ON CONFLICT (owner, service, node) DO UPDATE SET kind = excluded.kind, device = excluded.device, data = excluded.data, enabled = excluded.enabled, errors = 0, said = '', at = 0`
	selectPushIDs      = "SELECT id FROM push_targets WHERE owner = $1 AND service = $2 AND (node = $3 OR $4 = 1)"
	selectPushOnDevice = "SELECT id FROM push_targets WHERE owner = $1 AND device = $2"
	// What is there already says when the next one may be sent: it waits, is leased, has failed, or was sent within the window.
	upsertPushJob = `INSERT INTO push_jobs (target, topic, owner, content, pending, due, ends, version, tries, shown)
		SELECT id, $3, owner, $4, 1, $5, $6, 1, 0, 0 FROM push_targets WHERE id = $1 AND owner = $2
		ON CONFLICT (target, topic) DO UPDATE SET content = excluded.content, pending = 1, ends = excluded.ends, version = push_jobs.version + 1,
			due = CASE WHEN push_jobs.due > excluded.due THEN push_jobs.due ELSE excluded.due END,
			tries = CASE WHEN push_jobs.pending = 1 THEN push_jobs.tries ELSE 0 END`
	// What was leased may be on its way to the device, so it counts as shown; whoever has the lease keeps it. Nobody else waits for the window to be rid of something.
	withdrawPushJobs = `UPDATE push_jobs SET pending = CASE WHEN shown = 1 OR (pending = 1 AND tries > 0) THEN 1 ELSE 0 END,
		due = CASE WHEN shown = 1 AND tries = 0 THEN $4 ELSE due END, content = $3, version = version + 1 WHERE owner = $1 AND topic = $2 AND pending <> 0`
	selectDuePush = `SELECT target, topic, owner, content, due, ends, version, tries FROM push_jobs WHERE pending = 1 AND due <= $1 AND ends > $1 ORDER BY due LIMIT $2 + 0`
	leasePushJob  = "UPDATE push_jobs SET due = $4, tries = tries + 1 WHERE target = $1 AND topic = $2 AND due = $3 AND pending = 1"
	donePushJob   = `UPDATE push_jobs SET due = $4, content = CASE WHEN version = $5 THEN $6 ELSE content END, tries = 0,
		pending = CASE WHEN version <> $5 THEN pending WHEN $7 = 1 OR ($7 = 2 AND shown = 1) THEN 2 ELSE 0 END, shown = CASE WHEN $7 = 2 THEN shown ELSE $7 END WHERE target = $1 AND topic = $2 AND due = $3`
	failedPushJob  = "UPDATE push_jobs SET due = $4 WHERE target = $1 AND topic = $2 AND due = $3"
	notePushTarget = `UPDATE push_targets SET errors = CASE WHEN $2 = 1 THEN 0 WHEN $2 = 2 THEN errors + 1 ELSE errors END, said = $3, at = $4,
		past = substr($5 || past, 1, 2048) WHERE id = $1`
	deletePastPush = `DELETE FROM push_jobs WHERE (target, topic) IN (SELECT target, topic FROM push_jobs WHERE pending = 0 AND due <= $1 ORDER BY due LIMIT $2 + 0)`
	deleteOldPush  = `DELETE FROM push_jobs WHERE (target, topic) IN (SELECT target, topic FROM push_jobs WHERE ends <= $1 AND due <= $1 ORDER BY ends LIMIT $2 + 0)`
	selectPushed   = `SELECT a.local FROM accounts AS a WHERE a.domain = $1 AND a.local > $2 AND EXISTS (SELECT 1 FROM push_targets AS t WHERE t.owner = a.id)
		ORDER BY a.local LIMIT $3 + 0`
	deletePushJobs  = "DELETE FROM push_jobs WHERE target = $1"
	deletePushedFor = "DELETE FROM push_targets WHERE id = $1"

	maxPushSaid = 200 // bytes of one answer
)

// Enable implements store.Push.
func (p push) Enable(t store.PushTarget, most int) store.Ticket {
	if len(t.Service)+len(t.Node) > store.MaxPushAddress {
		return store.Settled(fmt.Errorf("push target: %w", store.ErrInvalid))
	}
	data := append([]byte{}, t.Data...)
	return p.db.queueOf(t.Owner).change(len(data)+len(t.Service), func(w *writer) error {
		// The account may be deleted meanwhile; a target without one would never be erased.
		if _, exists, err := w.number("SELECT id FROM accounts WHERE id = $1", int64(t.Owner)); err != nil || !exists {
			return errors.Join(err, notFoundUnless(exists))
		}
		n, _, err := w.number(countPushTargets, int64(t.Owner), t.Service, t.Node)
		switch {
		case err != nil:
			return err
		case n >= int64(most):
			return fmt.Errorf("push target: %w", store.ErrTooMany)
		}
		_, err = w.change(upsertPushTarget, int64(t.Owner), t.Service, t.Node, int64(t.Kind), t.Device, data, moment(t.Enabled))
		return err
	})
}

// Disable implements store.Push.
func (p push) Disable(owner store.Owner, service, node string) store.Ticket {
	var all int64
	if node == "" {
		all = 1
	}
	return p.db.queueOf(owner).change(0, func(w *writer) error {
		return forgetPushes(w, selectPushIDs, int64(owner), service, node, all)
	})
}

// forgetPushes removes the targets that a query chooses, with their jobs.
func forgetPushes(w *writer, query string, args ...any) error {
	var ids []int64
	err := w.query(query, func(row []driver.Value) error {
		id, _ := row[0].(int64)
		ids = append(ids, id)
		return nil
	}, args...)
	for _, id := range ids {
		err = errors.Join(err, forgetPush(w, id))
	}
	return err
}

// forgetPushesOf removes all targets of an owner: who may not come in by what it knew hears nothing of it either.
func forgetPushesOf(w *writer, owner store.Owner) error {
	if _, err := w.change("DELETE FROM push_jobs WHERE owner = $1", int64(owner)); err != nil {
		return err
	}
	_, err := w.change("DELETE FROM push_targets WHERE owner = $1", int64(owner))
	return err
}

// forgetPush removes a target and its jobs.
func forgetPush(w *writer, id int64) error {
	if _, err := w.change(deletePushJobs, id); err != nil {
		return err
	}
	_, err := w.change(deletePushedFor, id)
	return err
}

// Targets implements store.Push.
func (p push) Targets(ctx context.Context, owner store.Owner) (out []store.PushTarget, err error) {
	err = p.db.reads.each(ctx, selectPushTargets, func(rows *sql.Rows) error {
		var t store.PushTarget
		var enabled, at int64
		var past string
		err := rows.Scan(&t.ID, &t.Owner, &t.Service, &t.Node, &t.Kind, &t.Device, &t.Data, &enabled, &t.Errors, &t.Said, &at, &past)
		t.Enabled, t.At, t.Past = momentOf(enabled), momentOf(at), pastPushes(past)
		out = append(out, t)
		return err
	}, int64(owner))
	return out, err
}

// PushedAccounts implements store.Pushed.
func (p push) PushedAccounts(ctx context.Context, domain, after string, limit int) (out []string, err error) {
	err = p.db.reads.each(ctx, selectPushed, func(rows *sql.Rows) error {
		var local string
		err := rows.Scan(&local)
		out = append(out, local)
		return err
	}, domain, after, int64(max(limit, 0)))
	return out, err
}

// pastPushes reads the answers that a target has: each is its time and its text, and a line. The last one may be cut.
func pastPushes(text string) (out []store.PushAnswer) {
	for {
		line, rest, whole := strings.Cut(text, "\n")
		at, said, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if !whole || err != nil {
			return out
		}
		out, text = append(out, store.PushAnswer{At: momentOf(n), Said: said}), rest
	}
}

// pushLine is an answer as pastPushes reads it. A line has no control characters, and PostgreSQL takes no others than UTF-8.
func pushLine(said string, at time.Time) (text, line string) {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said[:min(len(said), maxPushSaid)], ""))
	return text, strconv.FormatInt(moment(at), 10) + " " + text + "\n"
}

// Add implements store.Push.
func (p push) Add(j store.PushJob) store.Ticket {
	if len(j.Topic) > store.MaxPushTopic {
		return store.Settled(fmt.Errorf("push topic: %w", store.ErrInvalid))
	}
	content := append([]byte{}, j.Content...)
	return p.db.queueOf(j.Owner).change(len(content), func(w *writer) error {
		_, err := w.change(upsertPushJob, j.Target, int64(j.Owner), j.Topic, content, moment(j.Due), moment(j.Ends))
		return err
	})
}

// Withdraw implements store.Push.
func (p push) Withdraw(owner store.Owner, topic string, instead []byte, now time.Time) store.Ticket {
	content := append([]byte{}, instead...)
	return p.db.queueOf(owner).change(len(content), func(w *writer) error {
		_, err := w.change(withdrawPushJobs, int64(owner), topic, content, moment(now))
		return err
	})
}

// Lease implements store.Push.
func (p push) Lease(ctx context.Context, now, until time.Time, limit int) ([]store.PushJob, error) {
	var leased []store.PushJob
	err := p.db.queueOf(nobody).change(0, func(w *writer) error {
		leased = nil
		due, err := duePush(w, now, limit)
		if err != nil {
			return err
		}
		for _, j := range due {
			n, err := w.change(leasePushJob, j.Target, j.Topic, moment(j.Due), moment(until))
			if err != nil {
				return err
			}
			if n == 1 { // else somebody was faster
				j.Due, j.Tries = until.UTC().Truncate(time.Microsecond), j.Tries+1
				leased = append(leased, j)
			}
		}
		return nil
	}).Wait(ctx)
	if err != nil {
		return nil, err // leased may still be written to when only the context ended
	}
	return leased, nil
}

func duePush(w *writer, now time.Time, limit int) (out []store.PushJob, err error) {
	return out, w.query(selectDuePush, func(v []driver.Value) error {
		target, ok1 := v[0].(int64)
		topic, ok2 := v[1].(string)
		owner, ok3 := v[2].(int64)
		content, ok4 := v[3].([]byte)
		due, ok5 := v[4].(int64)
		ends, ok6 := v[5].(int64)
		version, ok7 := v[6].(int64)
		tries, ok8 := v[7].(int64)
		out = append(out, store.PushJob{
			Target: target, Owner: store.Owner(owner), Topic: topic, Content: slices.Clone(content), Due: momentOf(due), Ends: momentOf(ends),
			Version: version, Tries: int(tries),
		})
		return errorUnless(ok1 && ok2 && ok3 && (ok4 || v[3] == nil) && ok5 && ok6 && ok7 && ok8, "push jobs of an unexpected type")
	}, moment(now), int64(max(limit, 0)))
}

// Settle implements store.Push.
func (p push) Settle(j store.PushJob, r store.PushResult) store.Ticket {
	const unchanged, success, failure, hidden, shown, asBefore = 0, 1, 2, 0, 1, 2
	return p.db.queueOf(j.Owner).change(len(r.Said), func(w *writer) error {
		shows, counted := asBefore, unchanged
		switch r.Outcome {
		case store.PushGone:
			return forgetPush(w, j.Target)
		case store.PushSent:
			shows, counted = hidden, success
			if r.Shown {
				shows = shown
			}
		case store.PushRefused:
			counted = failure
		}
		query, args := donePushJob, []any{j.Target, j.Topic, moment(j.Due), moment(r.Next), j.Version, []byte{}, int64(shows)}
		if r.Outcome == store.PushFailed {
			query, args = failedPushJob, args[:4]
		}
		n, err := w.change(query, args...)
		switch {
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("push job: %w", store.ErrConflict)
		}
		text, line := pushLine(r.Said, r.At)
		_, err = w.change(notePushTarget, j.Target, int64(counted), text, moment(r.At), line)
		return err
	})
}

// Expire implements store.Push.
func (p push) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	var n int64
	err := p.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		for _, query := range []string{deletePastPush, deleteOldPush} {
			more, failure := w.change(query, moment(now), max(int64(limit)-n, 0))
			n, err = n+more, errors.Join(err, failure)
		}
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return int(n), nil
}
