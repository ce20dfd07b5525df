package core

import (
	"context"
	"net/http"
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
