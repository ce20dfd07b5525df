package sasl

import (
	"errors"
	"slices"
	"strings"
)

// ErrDowngrade says that the server's list of mechanisms or of channel bindings
// was changed on its way (XEP-0474 section 5.2, XEP-0440 section 3).
var ErrDowngrade = errors.New("sasl: the list of mechanisms was changed on its way")

// downgradeHash is the attribute h of XEP-0474 section 5.1 over the offer of the
// profile in use: the hash of both lists, sorted by octets. The
// second one has a part in it only if it was announced at all.
func downgradeHash(h Hash, mechanisms, bindings []string) string {
	joined := func(list []string) string {
		sorted := slices.Clone(list)
		slices.Sort(sorted)
		return strings.Join(sorted, "\x1e")
	}
	s := joined(mechanisms)
	if len(bindings) > 0 {
		s += "\x1f" + joined(bindings)
	}
	return encodeBase64(h.sum([]byte(s)))
}

// extension returns the value of an optional attribute of server-first-message,
// whose syntax was checked before.
func extension(list string, name byte) (value string, ok bool) {
	for pair := range strings.SplitSeq(list, ",") {
		if len(pair) > 2 && pair[0] == name && pair[1] == '=' {
			return pair[2:], true
		}
	}
	return "", false
}
