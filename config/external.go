package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"stonechat/xmpp/jid"
)

// External are services beside this server that clients are told of (XEP-0215), such as those that calls need to get through firewalls.
type External struct {
	// Services are their addresses, such as ["stun:stun.example.org", "turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"] (RFC 7064
	// and RFC 7065). Without any the request is answered with service-unavailable.
	Services []string `toml:"services"`
	// SecretFile is a file whose first line is the secret that this server and the relays (turn, turns) share: in coturn static-auth-secret. Each account gets
	// credentials of its own that are made of it and end by themselves. A relay that is named needs it.
	SecretFile string `toml:"secret_file"`
	// Life is how long such credentials are good, between a minute and a week.
	Life Duration `toml:"life"`
}

func usualExternal() External { return External{Life: Duration(12 * time.Hour)} }

// Service is one of them.
type Service struct {
	Type      string // stun, stuns, turn or turns
	Host      string
	Port      int
	Transport string // udp or tcp
}

// Relay tells whether it takes credentials.
func (s Service) Relay() bool { return strings.HasPrefix(s.Type, "turn") }

// List reads Services.
func (e *External) List() ([]Service, error) {
	var out []Service
	for _, text := range e.Services {
		s, err := service(text)
		if err != nil {
			return nil, fmt.Errorf("external.services: %q %w", text, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// service reads an address: RFC 7064 section 3.1, RFC 7065 section 3.1.
func service(text string) (Service, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque == "" || u.Fragment != "" {
		return Service{}, errors.New("is not like turn:turn.example.org:3478?transport=udp")
	}
	s := Service{Type: u.Scheme, Host: u.Opaque, Port: 3478, Transport: "udp"}
	switch s.Type {
	case "stun", "turn":
	case "stuns", "turns":
		s.Port, s.Transport = 5349, "tcp"
	default:
		return s, errors.New("is none of stun, stuns, turn and turns")
	}
	if host, port, err := net.SplitHostPort(s.Host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return s, errors.New("has no port between 1 and 65535")
		}
		s.Host, s.Port = host, int(n)
	}
	s.Host = strings.Trim(s.Host, "[]")
	if j, err := jid.Parse(s.Host); net.ParseIP(s.Host) == nil && (err != nil || !j.IsDomain()) {
		return s, errors.New("has no host")
	}
	switch q := u.Query(); {
	case len(q) == 0:
	case len(q) == 1 && s.Relay() && (q.Get("transport") == "udp" || q.Get("transport") == "tcp"):
		s.Transport = q.Get("transport")
	default:
		return s, errors.New("has another parameter than transport=udp or transport=tcp, which are for relays")
	}
	return s, nil
}

// Secret reads the file; empty when none is named. It is a secret.
func (e *External) Secret() ([]byte, error) {
	if e.SecretFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(e.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("external.secret_file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return nil, fmt.Errorf("external.secret_file: the first line of %s is empty", e.SecretFile)
	}
	return []byte(line), nil
}

// check reports what makes no sense.
func (e *External) check() (errs []error) {
	list, err := e.List()
	if err != nil {
		errs = append(errs, err)
	}
	for _, s := range list {
		if s.Relay() && e.SecretFile == "" {
			errs = append(errs, errors.New("external.services names a relay: it needs external.secret_file"))
			break
		}
	}
	if e.Life.D() < time.Minute || e.Life.D() > 7*24*time.Hour {
		errs = append(errs, errors.New("external.life is between 1m and 168h"))
	}
	return errs
}
