package stream

import (
	"bytes"
	"crypto/tls"
	"unsafe"
)

// tlsBufferSizes returns the memory behind both buffers.
func tlsBufferSizes(c *tls.Conn) (raw, hand int) {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsFields.raw)).Cap(),
		(*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), tlsFields.hand)).Cap()
}
