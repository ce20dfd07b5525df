package webpush

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"
)

// Urgency says for what a device should be woken (RFC 8030 section 5.3).
type Urgency string

// The urgencies.
const (
	VeryLow Urgency = "very-low"
	Low     Urgency = "low"
	Normal  Urgency = "normal"
	High    Urgency = "high"
)

// Message is one for a device. Topic is from Sender.Topic, or empty; a later message with the same one takes the place of one that was not brought yet. After
// Life, in seconds, it is not brought any more.
type Message struct {
	Text    []byte // at most MaxText bytes
	Topic   string
	Urgency Urgency
	Life    time.Duration
}

// Request is what brings a message to the push service of a subscription (RFC 8030 section 5), for whoever may connect to it.
func (s *Sender) Request(ctx context.Context, m Message, to Subscription, now time.Time) (*http.Request, error) {
	body, err := Seal(m.Text, to)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	auth, err := s.authorization(req.URL, now)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", auth)
	req.Header.Set("Content-Encoding", "aes128gcm")
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("TTL", strconv.FormatInt(max(int64(m.Life/time.Second), 0), 10))
	if m.Urgency != "" {
		req.Header.Set("Urgency", string(m.Urgency))
	}
	if m.Topic != "" {
		req.Header.Set("Topic", m.Topic)
	}
	return req, nil
}

// Outcome says what a push service made of a message.
type Outcome uint8

// The outcomes.
const (
	Failed    Outcome = iota // try again later
	Taken                    // it will be brought
	Gone                     // the subscription is no more: forget it
	Refused                  // this message will never be taken, such as for its size or its sender
	Postponed                // too many: not before the time that came along
)

// longestWait is how long we let a push service put us off.
const longestWait = 24 * time.Hour

// Judge reads the answer of a push service. The time is for Postponed, and for Failed if the service said one: how long to wait; zero: it is not said.
func Judge(status int, header http.Header, now time.Time) (Outcome, time.Duration) {
	switch {
	case status >= 200 && status < 300:
		return Taken, 0
	case status == http.StatusNotFound, status == http.StatusGone: // RFC 8030 section 7.3
		return Gone, 0
	case status == http.StatusTooManyRequests: // RFC 8030 section 8.4
		return Postponed, retryAfter(header.Get("Retry-After"), now)
	case status >= 500, status == http.StatusRequestTimeout:
		return Failed, retryAfter(header.Get("Retry-After"), now)
	}
	return Refused, 0 // a redirect, too: a subscription is one address
}

// retryAfter reads RFC 9110 section 10.2.3.
func retryAfter(s string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), longestWait)
}
