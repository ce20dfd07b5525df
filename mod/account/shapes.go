package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

const (
	maxShapes    = 64        // the most frequent ones; accounts of another are told from nobody, should somebody import so many kinds
	shapesEvery  = time.Hour // how old the picture may get
	shapesPause  = time.Minute
	shapesAtMost = 30 * time.Second // for one look
)

// shapes is what the accounts of the domain look like to whoever tries to log in. RFC 5802 section 9: salt and iteration count must not tell
// who exists, but imported accounts have brought their own. So a name that nobody has looks like one of the kinds that there are, and each
// kind is as frequent among those names as among accounts. A name stays with its kind: of each the name draws a lot, and the best one, by
// its weight, is taken; when the weights change, few names change.
type shapes struct {
	list  []store.Shape
	known map[string]bool
}

// look reads which shapes the accounts have, and how many accounts have each. Until it has, names that nobody has look like accounts made by this server.
func (m *Module) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shapesAtMost)
	defer cancel()
	list, err := m.stores.Shapes.Shapes(ctx, m.host.Domain.Domain(), mechanisms(), maxShapes)
	if err != nil {
		m.host.Obs.Log.Warn("shapes of credentials not read", obs.Err, err)
		return
	}
	s := &shapes{list: list, known: make(map[string]bool, len(list))}
	for _, x := range list {
		s.known[kind(x.Credentials)] = true
	}
	m.shapes.Store(s)
}

// Run looks again from time to time, and soon when an account shows what was not there before, such as after an import.
func (m *Module) Run(ctx context.Context) error {
	tick := time.NewTicker(shapesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-m.news:
		}
		m.look(ctx)
		if core.Sleep(ctx, shapesPause) != nil {
			return nil
		}
	}
}

// seen asks for another look when the credentials of an account have a shape that nobody had.
func (m *Module) seen(c []store.Credential) {
	if s := m.shapes.Load(); s == nil || s.known[kind(c)] {
		return
	}
	select {
	case m.news <- struct{}{}:
	default: // somebody has asked already
	}
}

// nobody is what a name shows that nobody has. The zero credential means: as accounts made by this server do.
func (m *Module) nobody(account jid.JID, hash sasl.Hash) sasl.Credential {
	s := m.shapes.Load()
	if s == nil {
		return sasl.Credential{}
	}
	name := account.String()
	best, least := -1, math.Inf(1)
	for i, x := range s.list {
		// A lot between 0 and 1, and the better the heavier its shape is.
		lot := (float64(binary.BigEndian.Uint64(m.draw("shape", kind(x.Credentials), name))>>11) + 0.5) / (1 << 53)
		if score := -math.Log(lot) / float64(x.Accounts); score < least {
			best, least = i, score
		}
	}
	if best < 0 {
		return sasl.Credential{}
	}
	for _, c := range s.list[best].Credentials {
		if c.Mechanism == "SCRAM-"+hash.String() {
			return sasl.Credential{Iterations: c.Iterations, Salt: m.salt(c.Salt, c.Mechanism, name)}
		}
	}
	return sasl.Credential{} // accounts of this shape have no such credential, and show the same
}

// draw is a value that nobody can compute who does not know the server's secret.
func (m *Module) draw(label string, parts ...string) []byte {
	h := hmac.New(sha256.New, m.keys.Names)
	h.Write([]byte(label + "\x00" + strings.Join(parts, "\x00")))
	return h.Sum(nil)
}

var (
	uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	hex  = regexp.MustCompile(`^[0-9a-f]+$`)
	text = regexp.MustCompile(`^[0-9A-Za-z+/=_-]+$`)
)

// salt makes one up that looks like another: some servers take random bytes, others a UUID (RFC 9562) or hexadecimal digits as text.
func (m *Module) salt(like []byte, mechanism, name string) []byte {
	out := make([]byte, 0, len(like)+sha256.Size)
	for i := 0; len(out) < len(like); i++ {
		out = append(out, m.draw("salt", mechanism, name, strconv.Itoa(i))...)
	}
	out = out[:len(like)]
	alphabet := ""
	switch {
	case uuid.Match(like), hex.Match(like):
		alphabet = "0123456789abcdef"
	case text.Match(like):
		alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	default:
		return out
	}
	for i := range out {
		out[i] = alphabet[int(out[i])%len(alphabet)]
	}
	if uuid.Match(like) {
		for i, b := range like {
			switch {
			case b == '-' || i == 14:
				out[i] = b
			case i == 19:
				out[i] = "89ab"[int(out[i])%4]
			}
		}
	}
	return out
}

// kind is what two sets of credentials have in common that cannot be told apart by what they show.
func kind(list []store.Credential) string {
	var b []byte
	for _, c := range list {
		for _, m := range mechanisms() {
			if c.Mechanism == m {
				b = append(b, m...)
				b = strconv.AppendInt(append(b, ' '), int64(c.Iterations), 10)
				b = strconv.AppendInt(append(b, ' '), int64(len(c.Salt)), 10)
				b = append(b, '\n')
			}
		}
	}
	return string(b)
}

// mechanisms are those whose credentials anybody can see.
func mechanisms() []string {
	var out []string
	for _, h := range []sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512} {
		out = append(out, "SCRAM-"+h.String())
	}
	return out
}
