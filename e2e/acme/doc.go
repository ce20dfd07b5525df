// Package acme judges how certificates are got: a whole server against pebble, a small authority for tests, by all three challenges, with
// renewal, restart and an authority that is away.
//
// The authority is a program of another module (pebble/go.mod), so that ours stays free of it; it is built by the test. Where it cannot be
// built, because there is neither a module cache nor a proxy, the tests are skipped and `make test` says so at its end;
// go test ./e2e/acme -without=false fails instead.
package acme
