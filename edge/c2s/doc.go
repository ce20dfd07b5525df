// Package c2s is the door for clients over TCP, TLS and WebSocket: it accepts, bounds what strangers can make us hold, negotiates the stream and then
// hands every stanza to the session's owner. It knows no feature.
package c2s
