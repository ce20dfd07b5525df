package stream

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are the offsets of two private fields of tls.Conn: the raw input
// and the handshake buffer. crypto/tls never gives their memory back, which is
// 3 KB from the first handshake message alone, and up to 16 KB later.
type tlsBuffers struct {
	raw, hand uintptr
	found     bool
}

var tlsFields = findTLSBuffers()

// findTLSBuffers finds nothing when a field is missing or of another type; the
// memory then stays where it is.
func findTLSBuffers() (b tlsBuffers) {
	conn := reflect.TypeFor[tls.Conn]()
	raw, ok1 := conn.FieldByName("rawInput")
	hand, ok2 := conn.FieldByName("hand")
	buffer := reflect.TypeFor[bytes.Buffer]()
	if !ok1 || !ok2 || raw.Type != buffer || hand.Type != buffer {
		return b
	}
	return tlsBuffers{raw: raw.Offset, hand: hand.Offset, found: true}
}

// dropTLSBuffers empties both. It is called by the only goroutine that reads
// from c, between two reads, after the handshake and after a read that found
// nothing: then neither is in use, and no slice of them is left in c. If one
// holds bytes, both stay.
func dropTLSBuffers(c *tls.Conn) {
	if !tlsFields.found {
		return
	}
	raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsFields.raw))
	hand := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsFields.hand))
	if raw.Len() == 0 && hand.Len() == 0 {
		*raw, *hand = bytes.Buffer{}, bytes.Buffer{}
	}
}
