package core

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Route is a row of HTTP: a module offers it, a door serves it without knowing whose it is.
type Route struct {
	// Pattern is one of net/http's ServeMux, with method: "POST /users".
	Pattern string
	// Action is the right it takes; object-dependent rights are asked again by Do, through Permit.
	Action Action
	// Do answers with a value that becomes JSON, or nil, or with a Stream. A *stanza.Error becomes the fitting HTTP status.
	Do func(ctx context.Context, actor Actor, r *http.Request) (any, error)
}

// Stream is an answer that comes bit by bit. The door calls it exactly once, with a ctx that ends when the asker has gone or the door closes;
// each value that it gives to emit becomes one line of JSON at once. emit fails when nobody reads any more.
type Stream func(ctx context.Context, emit func(v any) error) error

// Routes are all rows of HTTP of a host.
type Routes []Route

// Handle adds a row.
func (r *Routes) Handle(row Route) { *r = append(*r, row) }

// Call asks the row of a pattern from within, with the rights of actor, as a door would: whatever else offers what the row does, such as an ad-hoc
// command, does it in the same way. values are the names in the pattern and the parameters behind it; body is said as JSON, and the answer, which is no
// Stream, is read as JSON into what into points at, unless that is nil. Only a door may call it, or a Slow row.
func (r Routes) Call(ctx context.Context, actor Actor, pattern string, values map[string]string, body, into any) error {
	i := slices.IndexFunc(r, func(row Route) bool { return row.Pattern == pattern })
	if i < 0 {
		return fmt.Errorf("core: no http row %q", pattern)
	}
	if refused := Permit(actor, r[i].Action, Object{}); refused != nil {
		return refused
	}
	said, err := json.Marshal(body)
	if err != nil {
		return err
	}
	method, _, _ := strings.Cut(pattern, " ")
	req, err := http.NewRequestWithContext(ctx, method, "/", bytes.NewReader(said))
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, v := range values {
		req.SetPathValue(name, v)
		query.Set(name, v)
	}
	req.URL.RawQuery = query.Encode()
	answer, err := r[i].Do(ctx, actor, req)
	if err != nil || into == nil {
		return err
	}
	told, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(told, into)
}

// Page is a row of the public web: a module offers a part of the site, the door serves it to everybody without knowing whose it is.
type Page struct {
	// Path is what its addresses begin with: a slash, a word, a slash. The paths that Serve sees were not cleaned in any way.
	Path string
	// Action is the right it takes of somebody who did not say who they are; what more it takes is in the address, and Serve knows it.
	Action Action
	// Serve answers. The door has set headers against harm in browsers, which may be set anew. Bodies are as long as the client likes and answers,
	// too: both are cut off when they stand still or the door closes.
	Serve http.HandlerFunc
	// Module is who registered it.
	Module string
}

// Pages are all rows of the public web of a host.
type Pages []Page

// Handle adds a row.
func (p *Pages) Handle(page Page) { *p = append(*p, page) }

// check reports rows that cannot be.
func (p Pages) check() error {
	for _, page := range p {
		word, begins := strings.CutPrefix(page.Path, "/")
		word, ends := strings.CutSuffix(word, "/")
		if !begins || !ends || word == "" || strings.Contains(word, "/") || page.Action == "" || page.Serve == nil {
			return fmt.Errorf("core: page %q of %s is incomplete", page.Path, page.Module)
		}
	}
	return nil
}
