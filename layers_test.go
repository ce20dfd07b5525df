package stonechat_test

import (
	"os/exec"
	"strings"
	"testing"
)

// rows are the layers of the house from the bottom up: a package imports only from rows above it in this list. A trailing slash means the
// folder and everything below it. Packages of one row do not import each other unless they are listed in peers.
var rows = [][]string{
	{"xmpp/ns"},
	{"xmpp/jid", "xmpp/sasl", "xmpp/xmltok"},
	{"xmpp/stanza", "xmpp/uri"},
	{"xmpp/form", "xmpp/rsm", "xmpp/forward"},
	{"xmpp/disco", "xmpp/stream"},
	{"xmpp/muc"},
	{"xmpp/client"},
	{"config", "obs"},
	{"outbound", "webpush", "picture", "voice", "clamd"},
	{"store", "obs/obstest", "webpush/webpushtest"},
	{"store/dump", "store/blob", "store/blob/s3test", "store/words", "store/pie"},
	{"store/storetest", "store/storetest/pgtest", "cluster", "certs"},
	{"store/sqlstore"},
	{"store/backup"},
	{"core"},
	{"mod/", "mod", "edge/c2s", "edge/component", "edge/proxy65"},
	{"edge/web"},
	{"server"},
	{"tui"},
	{"cmd/stonechat"},
	{"e2e/"},
}

// denied are imports that the rows would allow.
var denied = []struct{ from, to, why string }{
	{"xmpp/", "config", "the wire knows no server"},
	{"core", "xmpp/stream", "core knows stanzas, not connections"},
	{"core", "xmpp/client", "core knows stanzas, not connections"},
	{"core", "xmpp/form", "what payloads mean is the business of features"},
	{"core", "xmpp/rsm", "what payloads mean is the business of features"},
	{"core", "xmpp/disco", "what payloads mean is the business of features"},
	{"core", "store/storetest", "that is for tests"},
	{"core", "store/sqlstore", "core knows interfaces"},
	{"core", "store/backup", "copies are made beside the server"},
	{"mod/", "xmpp/client", "features do not log in"},
	{"mod/", "xmpp/stream", "features know stanzas, not connections"},
	{"mod/", "store/sqlstore", "features know interfaces"},
	{"mod/", "store/backup", "features know interfaces"},
	{"mod/", "sync", "features run in turns and have nothing to lock"},
	{"clamd", "config", "how contents are looked into depends on nothing of ours"},
	{"webpush", "config", "how a message is closed and sent depends on nothing of ours"},
	{"edge/", "mod/", "doors know no features"},
	{"edge/", "store/sqlstore", "doors keep nothing"},
	{"edge/", "xmpp/client", "doors are the other side"},
	{"tui", "config", "the terminal client is a client"},
	{"tui", "store", "the terminal client is a client"},
	{"tui", "core", "the terminal client is a client"},
	{"tui", "server", "the terminal client is a client"},
	{"e2e/play", "xmpp/", "the plays' judge shares no parser with what it judges"},
}

func in(pkg, row string) bool {
	return pkg == row || (strings.HasSuffix(row, "/") && strings.HasPrefix(pkg, row))
}

func rowOf(pkg string) int {
	for i, row := range rows {
		for _, r := range row {
			if in(pkg, r) {
				return i
			}
		}
	}
	return -1
}

// imports lists every package of the module with what it imports outside tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if f[0] == "stonechat" {
			continue
		}
		all[strings.TrimPrefix(f[0], "stonechat/")] = f[1:]
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}

func TestImportsPointDown(t *testing.T) {
	edges, packages := 0, 0
	for pkg, list := range imports(t) {
		row := rowOf(pkg)
		if row < 0 {
			t.Errorf("%s stands in no row", pkg)
			continue
		}
		judge := strings.HasPrefix(pkg, "e2e/")
		if !judge {
			packages++
		}
		for _, imp := range list {
			to, own := strings.CutPrefix(imp, "stonechat/")
			for _, d := range denied {
				if in(pkg, d.from) && in(to, d.to) && pkg != to {
					t.Errorf("%s imports %s: %s", pkg, to, d.why)
				}
			}
			if !own {
				continue
			}
			if !judge {
				edges++
			}
			if r := rowOf(to); r >= row && !judge {
				t.Errorf("%s imports %s, which does not stand below it", pkg, to)
			}
		}
	}
	t.Logf("%d packages, %d internal edges, %.1f each", packages, edges, float64(edges)/float64(packages))
}
