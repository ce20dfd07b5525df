package play

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stonechat/e2e/peers"
	"stonechat/store/storetest/pgtest"
)

var (
	peerFlag      = flag.String("peer", env("PLAY_PEER", "stonechat"), "servers to perform on: stonechat, prosody, ejabberd, several with commas, or all")
	transportFlag = flag.String("transport", env("PLAY_TRANSPORT", "starttls"), "starttls, tls (direct), or all")
	binaryFlag    = flag.String("stonechat", env("PLAY_STONECHAT", ""), "the stonechat program; empty means to build it")
	storeFlag     = flag.String("store", env("PLAY_STORE", "sqlite"), "where Stonechat keeps everything: sqlite, postgres, or all")
	folderFlag    = flag.String("plays", env("PLAY_FOLDER", "../plays"), "folder of the plays")
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// postgres is the database server of all plays.
var postgres pgtest.Shared

// TestMain lets more plays run side by side than there are processors: they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if parallel.Value.String() == parallel.DefValue {
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if err := postgres.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// TestPlays performs all plays.
func TestPlays(t *testing.T) {
	plays := readPlays(t, *folderFlag)
	kinds := strings.Split(*peerFlag, ",")
	if *peerFlag == "all" {
		kinds = []string{"stonechat", "prosody", "ejabberd"}
	}
	for _, kind := range kinds {
		if kind != string(peers.Stonechat) || *storeFlag != "postgres" {
			t.Run(kind, func(t *testing.T) { performAll(t, peers.Kind(kind), plays, false) })
		}
		if kind == string(peers.Stonechat) && *storeFlag != "sqlite" {
			t.Run(kind+"-postgres", func(t *testing.T) { performAll(t, peers.Kind(kind), plays, true) })
		}
	}
}

func readPlays(t *testing.T, folder string) []*Play {
	t.Helper()
	var plays []*Play
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".play" {
			return err
		}
		p, err := ReadFile(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		plays = append(plays, p)
		return nil
	})
	if err != nil || len(plays) == 0 {
		t.Fatalf("no plays in %s: %v", folder, err)
	}
	return plays
}

func transports() []bool {
	switch *transportFlag {
	case "tls":
		return []bool{true}
	case "all":
		return []bool{false, true}
	default:
		return []bool{false}
	}
}

// performAll gives all plays with the same archive default one server, and those that restart it one each.
func performAll(t *testing.T, kind peers.Kind, plays []*Play, onPostgres bool) {
	if onPostgres {
		postgres.Server(t)
	}
	shared := map[string][]*Performance{}
	for _, direct := range transports() {
		for _, play := range plays {
			p := New(play)
			p.DirectTLS = direct
			if play.Private {
				t.Run(name(p), func(t *testing.T) {
					perform(t, kind, p, start(t, kind, play.Archive, []*Performance{p}, onPostgres), true)
				})
				continue
			}
			shared[play.Archive] = append(shared[play.Archive], p)
		}
	}
	for archive, performances := range shared {
		server := start(t, kind, archive, performances, onPostgres)
		t.Run("archive-"+archive, func(t *testing.T) {
			for _, p := range performances {
				t.Run(name(p), func(t *testing.T) {
					t.Parallel()
					perform(t, kind, p, server, false)
				})
			}
		})
	}
}

func name(p *Performance) string {
	short := strings.TrimSuffix(filepath.ToSlash(p.Play.Path), ".play")
	parts := strings.Split(short, "/")
	short = strings.Join(parts[max(0, len(parts)-2):], "/")
	if p.DirectTLS {
		return "tls/" + short
	}
	return "starttls/" + short
}

func start(t *testing.T, kind peers.Kind, archive string, performances []*Performance, onPostgres bool) *peers.Server {
	t.Helper()
	options := peers.Options{Archive: archive}
	for _, p := range performances {
		options.Users = append(options.Users, p.Users("example.org")...)
	}
	if kind == peers.Stonechat {
		options.Binary = binary(t)
	}
	if onPostgres {
		options.Postgres = postgres.Database(t)
	}
	return peers.Run(t, kind, options)
}

func binary(t *testing.T) string {
	t.Helper()
	if *binaryFlag == "" {
		path, err := peers.Build(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path, err := exec.LookPath(*binaryFlag)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func perform(t *testing.T, kind peers.Kind, p *Performance, server *peers.Server, private bool) {
	t.Helper()
	stage := Stage{Domain: server.Domain, STARTTLS: server.C2S, DirectTLS: server.C2STLS, Roots: server.Roots}
	if private {
		stage.Restart = func(ctx context.Context, kill bool) error {
			if kill {
				if err := server.Kill(); err != nil {
					return err
				}
			}
			return server.Restart(ctx)
		}
	}
	err := p.Perform(t.Context(), stage)
	reason, known := p.Play.Fails[string(kind)]
	switch {
	case err != nil && known:
		t.Logf("fails as noted (%s):\n%v", reason, err)
	case err != nil:
		t.Error(err)
	case known && !p.Play.MayPass[string(kind)]:
		t.Errorf("%s: the play says that %s fails (%s), but it does not", p.Play.Path, kind, reason)
	}
}
