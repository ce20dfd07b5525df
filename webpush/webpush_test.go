package webpush

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func privateOf(t testing.TB, s string) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(bytesOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The example of RFC 8291, section 5 and appendix A.
const (
	exampleText    = "When I grow up, I want to be a watermelon"
	examplePublic  = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	examplePrivate = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	deviceKey      = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	devicePrivate  = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
	deviceAuth     = "BTBZMqHH6r4Tts7J_aSIgg"
	exampleSalt    = "DGv6ra1nlYgDCS1FRnbzlw"
	exampleBody    = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	endpoint       = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"
)

func subscription(t testing.TB) Subscription {
	t.Helper()
	s, err := ParseSubscription(endpoint, deviceKey, deviceAuth)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPublishedExample(t *testing.T) {
	own := privateOf(t, examplePrivate)
	if got := base64.RawURLEncoding.EncodeToString(own.PublicKey().Bytes()); got != examplePublic {
		t.Fatalf("public key %s", got)
	}
	got, err := seal([]byte(exampleText), 0, subscription(t), own, bytesOf(t, exampleSalt))
	if err != nil {
		t.Fatal(err)
	}
	if s := base64.RawURLEncoding.EncodeToString(got); s != exampleBody {
		t.Errorf("body\n got %s\nwant %s", s, exampleBody)
	}
	if text, err := open(t, bytesOf(t, exampleBody)); err != nil || string(text) != exampleText {
		t.Errorf("opened %q, %v", text, err)
	}
}

// open is the receiver (RFC 8188 section 2, RFC 8291 section 3.4), with the example's keys.
func open(t testing.TB, body []byte) ([]byte, error) {
	t.Helper()
	device := privateOf(t, devicePrivate)
	if len(body) < headerBytes || body[saltBytes+4] != keyBytes {
		return nil, errors.New("no header")
	}
	if size := binary.BigEndian.Uint32(body[saltBytes:]); int(size) < len(body)-headerBytes {
		return nil, errors.New("more than one record")
	}
	sender, err := ecdh.P256().NewPublicKey(body[saltBytes+5 : headerBytes])
	if err != nil {
		return nil, err
	}
	shared, err := device.ECDH(sender)
	if err != nil {
		return nil, err
	}
	aead, nonce, err := keysOf(shared, bytesOf(t, deviceAuth), body[:saltBytes], device.PublicKey().Bytes(), sender.Bytes())
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, body[headerBytes:], nil)
	if err != nil {
		return nil, err
	}
	plain = bytes.TrimRight(plain, "\x00")
	if n := len(plain); n == 0 || plain[n-1] != lastRecord {
		return nil, errors.New("no end")
	}
	return plain[:len(plain)-1], nil
}

func TestSeal(t *testing.T) {
	to := subscription(t)
	seen := map[string]bool{}
	lengths := map[int]bool{}
	for _, n := range []int{0, 1, 41, 510, 511, 512, 513, 1023, 1024, 3583, 3584, 3992, MaxText} {
		text := make([]byte, n)
		rand.Read(text)
		body, err := Seal(text, to)
		if err != nil {
			t.Fatal(err)
		}
		lengths[len(body)] = true
		if len(body) > recordSize {
			t.Errorf("%d bytes of text become %d: not every service takes them (RFC 8030 section 7.2)", n, len(body))
		}
		if got, err := open(t, body); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: %d opened, %v", n, len(got), err)
		}
		head := string(body[:headerBytes])
		if seen[head] {
			t.Error("salt and key come twice")
		}
		seen[head] = true
		body[len(body)-1] ^= 1
		if _, err := open(t, body); err == nil {
			t.Error("what was changed on the way is opened")
		}
	}
	if len(lengths) != 5 { // 512, 1024, 1536, 3584 and MaxText
		t.Errorf("lengths %v", lengths)
	}
	if _, err := Seal(make([]byte, MaxText+1), to); !errors.Is(err, ErrText) {
		t.Errorf("too long: %v", err)
	}
	if MaxText != 3993 { // RFC 8291 section 4
		t.Errorf("at most %d bytes", MaxText)
	}
}

func TestSubscriptions(t *testing.T) {
	good := func(endpoint, key, auth string) bool {
		_, err := ParseSubscription(endpoint, key, auth)
		if err != nil && !errors.Is(err, ErrSubscription) {
			t.Errorf("%v", err)
		}
		return err == nil
	}
	for _, e := range []string{
		endpoint, "https://fcm.googleapis.com/fcm/send/a:b-c_d", "https://ntfy.example.org:8443/upABC?up=1", "https://[2001:db8::1]/x", "https://" + strings.Repeat("a", 2000) + "/",
	} {
		if !good(e, deviceKey, deviceAuth) {
			t.Errorf("%s is refused", e)
		}
	}
	for _, e := range []string{
		"", "http://push.example.net/", "https://", "https:///x", "https://u:p@push.example.net/", "https://push.example.net/#x", "//push.example.net/", "push.example.net",
		"https:push.example.net", "https://push.example.net/a b", "https://push.example.net/\r\nX: y", "https://pü.example.net/", "https://" + strings.Repeat("a", 2048), "https://[::1/", "javascript:1",
	} {
		if good(e, deviceKey, deviceAuth) {
			t.Errorf("%q is taken", e)
		}
	}
	if !good(endpoint, deviceKey+"=", deviceAuth+"==") || !good(endpoint, strings.NewReplacer("-", "+", "_", "/").Replace(deviceKey), deviceAuth) {
		t.Error("another way of writing the same is refused")
	}
	offCurve := bytesOf(t, deviceKey)
	offCurve[64] ^= 1
	for name, key := range map[string]string{
		"empty": "", "short": deviceKey[:86], "long": deviceKey + "A", "a point that is not on the curve": base64.RawURLEncoding.EncodeToString(offCurve),
		"compressed": base64.RawURLEncoding.EncodeToString(append([]byte{2}, bytesOf(t, deviceKey)[1:33]...)), "infinity": "AA", "no base64": strings.Repeat("!", 87),
		"zero": base64.RawURLEncoding.EncodeToString(make([]byte, 65)), "with a line break": deviceKey[:40] + "\n" + deviceKey[41:],
	} {
		if good(endpoint, key, deviceAuth) {
			t.Errorf("a key is taken: %s", name)
		}
	}
	for _, auth := range []string{"", "AA", deviceAuth + "AA", strings.Repeat("A", 21) + "!"} {
		if good(endpoint, deviceKey, auth) {
			t.Errorf("auth %q is taken", auth)
		}
	}
}

// check reads a token and its key as a push service does (RFC 8292 sections 3 and 4).
func check(field string) (claims, error) {
	var c claims
	rest, ok := strings.CutPrefix(field, "vapid t=")
	token, key, ok2 := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !ok2 || len(parts) != 3 {
		return c, errors.New("no VAPID")
	}
	point, err1 := base64.RawURLEncoding.DecodeString(key)
	body, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	sig, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	if err := errors.Join(err1, err2, err3); err != nil || len(sig) != 64 {
		return c, errors.Join(err, errors.New("bad encoding"))
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return c, errors.New("wrong signature")
	}
	return c, json.Unmarshal(body, &c)
}

// The example of RFC 8292 section 2.4.
const exampleAuthorization = "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0." +
	"i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, " +
	"k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"

func sender(t testing.TB, subject string) *Sender {
	t.Helper()
	s, err := NewSender(bytesOf(t, examplePrivate), subject)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthorization(t *testing.T) {
	if c, err := check(exampleAuthorization); err != nil || c != (claims{"https://push.example.net", 1453523768, "mailto:push@example.com"}) {
		t.Fatalf("the published example: %+v, %v", c, err)
	}
	now := time.Unix(1453523768, 0).Add(-tokenLife)
	for to, origin := range map[string]string{
		endpoint: "https://push.example.net", "https://Push.Example.NET:443/x?y": "https://push.example.net", "https://push.example.net:8443": "https://push.example.net:8443",
		"https://[2001:db8::1]:443/": "https://[2001:db8::1]",
	} {
		x := subscription(t)
		x.Endpoint = to
		req, err := sender(t, "mailto:push@example.com").Request(t.Context(), Message{Text: []byte("hello"), Topic: "upd", Urgency: High, Life: 90 * time.Minute}, x, now)
		if err != nil {
			t.Fatal(err)
		}
		field := req.Header.Get("Authorization")
		c, err := check(field)
		if err != nil || c != (claims{origin, 1453523768, "mailto:push@example.com"}) {
			t.Errorf("%s: %+v, %v", to, c, err)
		}
		// The header and the claims are written as the published ones are.
		if want := strings.Split(exampleAuthorization, "."); origin == "https://push.example.net" && (!strings.HasPrefix(field, want[0]) || strings.Split(field, ".")[1] != want[1]) {
			t.Errorf("token %s", field)
		}
		if !strings.HasSuffix(field, ", k="+examplePublic) {
			t.Errorf("key of %s", field)
		}
		damaged := strings.Replace(field, "t=eyJ", "t=eyK", 1)
		if _, err := check(damaged); err == nil {
			t.Error("the check takes everything")
		}
	}
}

func TestRequest(t *testing.T) {
	s := sender(t, "https://example.org")
	topic := s.Topic("juliet", "romeo")
	req, err := s.Request(t.Context(), Message{Text: []byte("hello"), Topic: topic, Urgency: Low, Life: 90 * time.Minute}, subscription(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"TTL": "5400", "Urgency": "low", "Topic": topic, "Content-Encoding": "aes128gcm"} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body, err := io.ReadAll(req.Body)
	if err != nil || req.Method != http.MethodPost || req.URL.String() != endpoint {
		t.Errorf("%s %s, %v", req.Method, req.URL, err)
	}
	if text, err := open(t, body); err != nil || string(text) != "hello" {
		t.Errorf("opened %q, %v", text, err)
	}
	req, err = s.Request(t.Context(), Message{}, subscription(t), time.Now())
	if err != nil || req.Header.Get("TTL") != "0" || req.Header.Values("Topic") != nil || req.Header.Values("Urgency") != nil {
		t.Errorf("a message without anything: %v, %v", req.Header, err)
	}
	if _, err := s.Request(t.Context(), Message{Text: make([]byte, MaxText+1)}, subscription(t), time.Now()); !errors.Is(err, ErrText) {
		t.Errorf("too long: %v", err)
	}
}

func TestTopics(t *testing.T) {
	s := sender(t, "https://example.org")
	topics := map[string]bool{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"a", "b"}, {"ab"}, {"ab", ""}, {"a1:b"}} {
		topic := s.Topic(parts...)
		if len(topic) != 32 || strings.Trim(topic, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || topics[topic] { // RFC 8030 section 5.4
			t.Errorf("topic %q of %q", topic, parts)
		}
		topics[topic] = true
	}
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSender(key, "https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	if s.Topic("a", "b") != sender(t, "https://example.org").Topic("a", "b") || s.Topic("a", "b") == other.Topic("a", "b") || s.PublicKey() == other.PublicKey() {
		t.Error("topics do not hang on the key alone")
	}
}

// kept are secrets that keep.
type kept map[string][]byte

func (k kept) Ensure(_ context.Context, name string, fresh []byte) ([]byte, error) {
	if k[name] == nil {
		k[name] = fresh
	}
	return k[name], nil
}

func TestSender(t *testing.T) {
	k := kept{}
	first, err := OpenSender(t.Context(), k, "https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenSender(t.Context(), k, "https://example.org")
	if err != nil || again.PublicKey() != first.PublicKey() || len(k) != 1 {
		t.Errorf("another key at the second start: %v", err)
	}
	for name, b := range k {
		k[name] = append([]byte{1}, b...)
		if _, err := OpenSender(t.Context(), k, "https://example.org"); err == nil || strings.Contains(err.Error(), string(b)) {
			t.Errorf("damaged: %v", err)
		}
	}
	if _, err := NewSender(make([]byte, 32), "https://example.org"); err == nil {
		t.Error("a key of zeros is one")
	}
	for subject, good := range map[string]bool{
		"mailto:admin@example.org": true, "https://example.org": true, "https://example.org/contact": true,
		"": false, "admin@example.org": false, "mailto:": false, "mailto:admin": false, "mailto:a b@example.org": false, "mailto:<a@example.org>": false, "http://example.org": false, "https://": false,
	} {
		if _, err := NewSender(bytesOf(t, examplePrivate), subject); (err == nil) != good {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, x := range []struct {
		status int
		after  string
		want   Outcome
		wait   time.Duration
	}{
		{201, "", Taken, 0},
		{200, "9", Taken, 0},
		{202, "", Taken, 0},
		{404, "", Gone, 0},
		{410, "", Gone, 0},
		{400, "", Refused, 0},
		{401, "", Refused, 0},
		{403, "", Refused, 0},
		{413, "", Refused, 0},
		{301, "", Refused, 0},
		{307, "", Refused, 0},
		{429, "", Postponed, 0},
		{429, "120", Postponed, 2 * time.Minute},
		{429, "-1", Postponed, 0},
		{429, "soon", Postponed, 0},
		{429, "99999999", Postponed, longestWait},
		{429, "99999999999999999999", Postponed, 0},
		{503, "Fri, 02 Jan 2026 03:05:05 GMT", Failed, time.Minute},
		{503, "Fri, 02 Jan 2026 03:03:05 GMT", Failed, 0},
		{500, "", Failed, 0},
		{408, "", Failed, 0},
		{0, "", Refused, 0},
	} {
		got, wait := Judge(x.status, http.Header{"Retry-After": {x.after}}, now)
		if got != x.want || wait != x.wait {
			t.Errorf("%d, %q: %d after %v, want %d after %v", x.status, x.after, got, wait, x.want, x.wait)
		}
	}
}

func FuzzSubscription(f *testing.F) {
	f.Add(endpoint, deviceKey, deviceAuth)
	f.Add("https://a/", deviceKey+"=", deviceAuth+"==")
	f.Add("https://[::1%25eth0]:1/?#", "BA", "")
	f.Fuzz(func(t *testing.T, endpoint, key, auth string) {
		s, err := ParseSubscription(endpoint, key, auth)
		if err != nil {
			return
		}
		req, err := sender(t, "https://example.org").Request(t.Context(), Message{Text: []byte("x")}, s, time.Now())
		if err != nil {
			t.Fatalf("%q: %v", endpoint, err)
		}
		if c, err := check(req.Header.Get("Authorization")); err != nil || !strings.HasPrefix(c.Audience, "https://") || req.URL.Scheme != "https" {
			t.Errorf("%q: %+v, %v", endpoint, c, err)
		}
	})
}
