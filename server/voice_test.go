package server_test

import (
	"os"
	"strings"
	"testing"

	"stonechat/config"
)

// What a browser records as WebM is given as Ogg when it is called so, and as it is otherwise.
func TestUploadedVoice(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	b, err := os.ReadFile("../voice/testdata/chromium.webm")
	if err != nil {
		t.Fatal(err)
	}
	webm := string(b)
	address := r.upload(alice, "voice.ogg", "audio/webm", webm)
	a, ogg := r.do("GET", address, nil, nil)
	if a.Header.Get("Content-Type") != "audio/ogg" || !strings.HasPrefix(ogg, "OggS") || !strings.Contains(ogg, "OpusHead") || len(ogg) >= len(webm) {
		t.Errorf("%v, %d bytes of %d", a.Header, len(ogg), len(webm))
	}
	got, err := askAbout(t, alice, address)
	if err != nil || got.File.Type != "audio/ogg" || got.File.Size != len(ogg) || got.File.Hash != hashOf(ogg) || got.File.Length != 1800 || len(strings.Fields(got.Waveform)) != 30 {
		t.Errorf("known as %+v, %v", got, err)
	}
	for name, kind := range map[string]string{"voice.webm": "audio/webm", "closed.ogg": "application/octet-stream"} {
		address := r.upload(alice, name, kind, webm)
		if a, same := r.do("GET", address, nil, nil); same != webm || a.Header.Get("Content-Type") != kind {
			t.Errorf("%s was changed: %v", name, a.Header)
		}
		if got, err := askAbout(t, alice, address); err != nil || (got.File.Length == 1800) != (kind == "audio/webm") {
			t.Errorf("%s is known as %+v, %v", name, got, err)
		}
	}
	if got, err := askAbout(t, alice, r.upload(alice, "again.ogg", "audio/ogg", ogg)); err != nil || got.File.Length != 1800 {
		t.Errorf("known as %+v, %v", got, err)
	}
	// What only says that it is a sound is a file like others.
	if _, same := r.do("GET", r.upload(alice, "none.ogg", "audio/webm", webm[:2000]), nil, nil); same != webm[:2000] {
		t.Error("half a sound was changed")
	}
	r.hasMetrics(`stonechat_upload_looks_total{outcome="made"} 3`, `stonechat_upload_looks_total{outcome="unreadable"} 1`)
}

func TestVoiceAsItIs(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.VoiceBytes = 100 })
	b, err := os.ReadFile("../voice/testdata/chromium.webm")
	if err != nil {
		t.Fatal(err)
	}
	if _, same := r.do("GET", r.upload(r.dial("alice", nil), "voice.ogg", "audio/webm", string(b)), nil, nil); same != string(b) {
		t.Error("it was changed")
	}
}
