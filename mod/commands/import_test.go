package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// imports keeps the names that were imported.
type imports struct {
	store.Accounts
	names []string
}

func (x *imports) Import(_ context.Context, all iter.Seq[store.NewAccount]) (store.Imported, error) {
	var sum store.Imported
	for a := range all {
		if len(a.Credentials) != 1 || string(a.Credentials[0].Salt) != a.Local {
			return sum, fmt.Errorf("credentials of %s: %+v", a.Local, a.Credentials)
		}
		x.names = append(x.names, a.Local)
		sum.Created++
	}
	return sum, nil
}

// TestImportInOrder: credentials are derived side by side, and yet what precedes a bad line is imported, in order, and nothing that follows.
func TestImportInOrder(t *testing.T) {
	const accounts = 2*importChunk + 100
	for at, bad := range map[int][2]string{
		-1:               {"", ""},
		0:                {`{"name":"@","password":"p"}`, `account "@": `},
		5:                {`{"name":"bad","password":"cannot be derived"}`, `account "bad": cannot be derived`},
		7:                {`{"name":"bad","role":"emperor"}`, `account "bad": no such role: "emperor"`},
		importChunk - 1:  {`{`, fmt.Sprintf("line %d: ", importChunk)},
		importChunk + 20: {`{"name":"bad","password":"p","contacts":[{"jid":"@"}]}`, `account "bad": `},
		accounts - 1:     {`{"name":"a\u0000b"}`, fmt.Sprintf("line %d: a text has a NUL character", accounts)},
	} {
		var body strings.Builder
		var want []string
		for i := range accounts {
			name := fmt.Sprint("user", i)
			if i < at || at < 0 {
				want = append(want, name)
			}
			if i == at {
				body.WriteString(bad[0] + "\n")
			} else {
				fmt.Fprintf(&body, "{\"name\":%q,\"password\":%q}\n", name, name)
			}
		}
		kept := &imports{}
		m := &Module{accounts: kept, host: &core.Host{Domain: jid.MustParse("example.org")}, derive: func(password string, _ int) ([]store.Credential, error) {
			if strings.Contains(password, " ") {
				return nil, errors.New(password)
			}
			return []store.Credential{{Salt: []byte(password)}}, nil
		}}
		sum, err := m.importUsers(t.Context(), core.Actor{Role: store.RoleOwner}, httptest.NewRequest("POST", "/users/import", strings.NewReader(body.String())))
		if (at < 0) != (err == nil) || err != nil && !strings.Contains(err.Error(), bad[1]) {
			t.Errorf("bad at %d: %v", at, err)
		}
		if !slices.Equal(kept.names, want) || sum.(ImportSum).Imported != (store.Imported{Created: len(want)}) {
			t.Errorf("bad at %d: %+v, %d imported: %q, want %d", at, sum, len(kept.names), kept.names, len(want))
		}
	}
}
