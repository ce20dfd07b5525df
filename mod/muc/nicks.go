package muc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode"

	"golang.org/x/text/secure/precis"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// nick is a name in a room: as shown, and as compared.
type nick struct {
	shown string
	// key is equal for nicks that people would take for the same: differences of case, width and spaces do not count (RFC 8266), nor letters of
	// other alphabets that look alike, nor accents over what has none.
	key string
}

// nickOf judges the resourcepart of an address in a room. What is shown differs from it where the profile of RFC 8266 maps characters.
func nickOf(resource string, most int) (nick, *stanza.Error) {
	refused := func(text string) (nick, *stanza.Error) {
		return nick{}, stanza.NewError(stanza.NotAcceptable, text)
	}
	if len(resource) > most {
		return refused("this nick is too long")
	}
	shown, err := precis.Nickname.String(resource)
	if err != nil {
		return refused("this nick has characters that nobody would see")
	}
	key, err := precis.Nickname.CompareKey(shown)
	if err != nil || !visible(shown) {
		return refused("this nick has characters that nobody would see")
	}
	// It becomes part of an address again, which has rules of its own.
	if prepared, err := jid.New("", "nick.invalid", shown); err != nil || prepared.Resource() != shown {
		return refused("this nick cannot be part of an address")
	}
	return nick{shown: strings.Clone(shown), key: strings.Map(alike, key)}, nil
}

// alike is the letter that stands for all that look like it. Keys are in lower case, and composed where that is possible: an accent that still stands
// alone may not be seen, as the dot over an i, or be one of a heap.
func alike(r rune) rune {
	if r >= 0x300 && r < 0x370 {
		return -1
	}
	if r < 0x80 && r != '0' && r != '1' && r != '|' {
		return r
	}
	if same, ok := lookalikes[r]; ok {
		return same
	}
	return r
}

// lookalikes are letters of Cyrillic, Greek, Armenian and of phonetics, and digits, that pass for Latin ones in small or in capital letters. Two that are
// none may fall together, too; then one of them needs another nick.
var lookalikes = map[rune]rune{
	'0': 'o', '1': 'l', '|': 'l',
	// Cyrillic
	'а': 'a', 'в': 'b', 'ь': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'н': 'h', 'і': 'i', 'ј': 'j', 'к': 'k', 'ӏ': 'l', 'м': 'm', 'ո': 'n', 'п': 'n', 'о': 'o', 'р': 'p',
	'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'у': 'y', 'ү': 'y', 'ё': 'ë', 'ї': 'ï',
	// Greek
	'α': 'a', 'β': 'b', 'ϲ': 'c', 'ε': 'e', 'η': 'n', 'ι': 'i', 'ϳ': 'j', 'κ': 'k', 'μ': 'm', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'σ': 'o', 'τ': 't', 'υ': 'u', 'χ': 'x', 'γ': 'y', 'ζ': 'z', 'ω': 'w',
	// Armenian, Latin of phonetics
	'օ': 'o', 'ս': 'u', 'հ': 'h', 'ց': 'g', 'զ': 'q', 'ɑ': 'a', 'ɡ': 'g', 'ı': 'i', 'ɩ': 'i', 'ʏ': 'y', 'ᴏ': 'o', 'ѡ': 'w', 'ꞵ': 'b', 'ʀ': 'r', 'ꜱ': 's',
}

// visible tells whether there is anything to see (section 13.1).
func visible(s string) bool {
	for _, r := range s {
		if r != '\u2800' && unicode.IsOneOf([]*unicode.RangeTable{unicode.L, unicode.N, unicode.P, unicode.S}, r) {
			return true
		}
	}
	return false
}

// occupantID names an occupant for other occupants (XEP-0421): the same person has the same one at every visit to this room, and nobody can tell
// the address from it, or find the person in another room, without the room's secret.
func occupantID(secret []byte, account jid.JID) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(account.Bare().String()))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
