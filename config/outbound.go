package config

import (
	"fmt"
	"net/url"
	"time"
)

// Outbound is for requests that the server sends to addresses that others have chosen, such as those of push services.
type Outbound struct {
	// Allow are networks and addresses that the server may connect to although they are inside, such as ["10.1.2.3", "fd00::/8"]. Without them no private,
	// loopback, link-local or special address is connected to, whatever name or spelling leads there.
	Allow []string `toml:"allow"`
	// Proxy is the HTTP proxy for all of it, such as http://proxy.example.org:3128; empty: none, whatever the environment says. It looks names up itself, so the
	// server judges only addresses, and the proxy must keep names from leading inside.
	Proxy string `toml:"proxy"`
	// Roots is a PEM file of authorities whose certificates count beside the system's, for push services inside a company.
	Roots string `toml:"roots"`
	// ConnectTime is how long connecting may take, with looking up the name, and TLS as long again.
	ConnectTime Duration `toml:"connect_time"`
	// Time is how long a request may take with its answer.
	Time Duration `toml:"time"`
	// AnswerBytes is how much of an answer is read; longer ones are failures.
	AnswerBytes int `toml:"answer_bytes"`
	// AtOnce is how many requests may be under way at once; more wait.
	AtOnce int `toml:"at_once"`
	// PerHost is how many connections to one host there may be.
	PerHost int `toml:"per_host"`
}

func usualOutbound() Outbound {
	return Outbound{
		ConnectTime: Duration(5 * time.Second), Time: Duration(15 * time.Second), AnswerBytes: 1 << 20, AtOnce: 64, PerHost: 8,
	}
}

// ProxyURL is Proxy, parsed; nil: there is none.
func (o *Outbound) ProxyURL() (*url.URL, error) {
	if o.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(o.Proxy)
	// The text is not repeated: it may hold a password.
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("outbound.proxy is not like http://proxy.example.org:3128")
	}
	return u, nil
}

// check reports what makes no sense.
func (o *Outbound) check() (errs []error) {
	if _, err := Prefixes(o.Allow); err != nil {
		errs = append(errs, fmt.Errorf("outbound.allow: %w", err))
	}
	if _, err := o.ProxyURL(); err != nil {
		errs = append(errs, err)
	}
	for name, v := range map[string]int{
		"connect_time": int(o.ConnectTime), "time": int(o.Time), "answer_bytes": o.AnswerBytes, "at_once": o.AtOnce, "per_host": o.PerHost,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("outbound.%s must be positive", name))
		}
	}
	return errs
}
