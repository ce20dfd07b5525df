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
	// Do answers with a value that becomes JSON, or nil. A *stanza.Error becomes the fitting HTTP status.
	Do func(ctx context.Context, actor Actor, r *http.Request) (any, error)
}

// Routes are all rows of HTTP of a host.
type Routes []Route

// Handle adds a row.
func (r *Routes) Handle(row Route) { *r = append(*r, row) }
