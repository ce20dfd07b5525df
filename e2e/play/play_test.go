package play

import (
	"context"
	"encoding/json"
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
	transportFlag = flag.String("transport", env("PLAY_TRANSPORT", "starttls,websocket"), "starttls, tls (direct), websocket, several with commas, or all")
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

func ways(kind peers.Kind) (all []Way) {
	chosen := *transportFlag
	if chosen == "all" {
		chosen = "starttls,tls,websocket"
	}
	for w := range strings.SplitSeq(chosen, ",") {
		if way := Way(w); way != WebSocket || kind == peers.Stonechat {
			all = append(all, way)
		}
	}
	return all
}

// performAll gives all plays with the same archive default one server, those with guests another, and those that restart it one each.
func performAll(t *testing.T, kind peers.Kind, plays []*Play, onPostgres bool) {
	if onPostgres {
		postgres.Server(t)
	}
	shared := map[string][]*Performance{}
	for _, way := range ways(kind) {
		for _, play := range plays {
			if way == WebSocket && play.Streams != "" {
				continue
			}
			p := New(play)
			p.Way = way
			if play.Private {
				t.Run(name(p), func(t *testing.T) {
					perform(t, kind, p, start(t, kind, play.Archive, []*Performance{p}, onPostgres), true)
				})
				continue
			}
			key := play.Archive
			if len(play.Guests) > 0 {
				key += "-guests"
			}
			shared[key] = append(shared[key], p)
		}
	}
	for archive, performances := range shared {
		server := start(t, kind, performances[0].Play.Archive, performances, onPostgres)
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
	return string(p.Way) + "/" + short
}

func start(t *testing.T, kind peers.Kind, archive string, performances []*Performance, onPostgres bool) *peers.Server {
	t.Helper()
	options := peers.Options{Archive: archive}
	var guestsTo []string
	for _, p := range performances {
		options.Users = append(options.Users, p.Users("example.org")...)
		guestsTo = append(guestsTo, p.GuestsTalkTo("example.org")...)
	}
	if len(guestsTo) > 0 && kind == peers.Stonechat {
		list, err := json.Marshal(guestsTo)
		if err != nil {
			t.Fatal(err)
		}
		options.Extra = "[guests]\nmost = 1000\nmost_per_source = 1000\nto = " + string(list) + "\n"
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
	stage := Stage{Domain: server.Domain, STARTTLS: server.C2S, DirectTLS: server.C2STLS, WebSocket: server.HTTPS, Roots: server.Roots}
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
