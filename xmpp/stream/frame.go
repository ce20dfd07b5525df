package stream

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"stonechat/xmpp/stanza"
)

// Opcodes of WebSocket frames (RFC 6455 section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// Codes of WebSocket close frames (RFC 6455 section 7.4.1).
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeData      = 1003 // a kind of data that is not taken
	closeNone      = 1005 // a close frame without a code; never sent
	closeEncoding  = 1007
	closePolicy    = 1008
	closeTooBig    = 1009
	closeInternal  = 1011
)

// Sizes of RFC 6455 section 5.2 and 5.5.
const (
	maxFrameHead = 14
	maxControl   = 125
	finBit       = 0x80
	maskBit      = 0x80
	reservedBits = 0x70
)

// frameHead is the start of one frame.
type frameHead struct {
	fin    bool
	op     byte
	masked bool
	mask   [4]byte
	head   int // bytes of the head
	size   int // bytes of the payload behind it
}

// frameError ends a WebSocket connection (RFC 6455 section 7.1.7).
type frameError struct {
	code int
	text string
}

// Error tells code and text.
func (e *frameError) Error() string { return "websocket " + strconv.Itoa(e.code) + ": " + e.text }

// stream is the stream error that goes before the close frame, for clients that
// show those to people.
func (e *frameError) stream() *stanza.StreamError {
	condition := stanza.StreamBadFormat
	switch e.code {
	case closeTooBig, closePolicy:
		condition = stanza.StreamPolicyViolation
	case closeData:
		condition = stanza.StreamUnsupportedEncoding
	}
	return &stanza.StreamError{Condition: condition, Text: e.text}
}

// parseFrame reads the head of the frame that p begins with. ok is false when it
// is not complete. A payload of more than most bytes is refused here, before any
// of it is waited for. Frames to a server are masked, those to a client are not
// (RFC 6455 section 5.1).
func parseFrame(p []byte, masked bool, most int) (f frameHead, ok bool, err *frameError) {
	if len(p) < 2 {
		return f, false, nil
	}
	f.fin, f.op, f.masked, f.head = p[0]&finBit != 0, p[0]&0x0f, p[1]&maskBit != 0, 2
	control := f.op&0x8 != 0
	short := int(p[1] &^ maskBit)
	switch {
	case p[0]&reservedBits != 0:
		return f, false, &frameError{closeProtocol, "reserved bits without an extension"}
	case f.op > opPong || f.op > opBinary && f.op < opClose:
		return f, false, &frameError{closeProtocol, "unknown opcode"}
	case f.masked != masked:
		return f, false, &frameError{closeProtocol, "wrong masking"}
	case control && (!f.fin || short > maxControl):
		return f, false, &frameError{closeProtocol, "control frame in pieces or too long"}
	}
	size := uint64(short)
	switch short {
	case 126:
		if f.head += 2; len(p) < f.head {
			return f, false, nil
		}
		size = uint64(binary.BigEndian.Uint16(p[2:]))
	case 127:
		if f.head += 8; len(p) < f.head {
			return f, false, nil
		}
		size = binary.BigEndian.Uint64(p[2:])
	}
	switch {
	case size>>63 != 0, short == 126 && size < 126, short == 127 && size < 1<<16:
		// RFC 6455 section 5.2: the shortest form must be used.
		return f, false, &frameError{closeProtocol, "bad length"}
	case !control && size > uint64(max(most, 0)):
		return f, false, &frameError{closeTooBig, "message too big"}
	}
	f.size = int(size)
	if !masked {
		return f, true, nil
	}
	if f.head += 4; len(p) < f.head {
		return f, false, nil
	}
	copy(f.mask[:], p[f.head-4:])
	return f, true, nil
}

// unmask takes the mask off p, or puts it on (RFC 6455 section 5.3).
func unmask(p []byte, mask [4]byte) {
	word := uint64(binary.LittleEndian.Uint32(mask[:]))
	word |= word << 32
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= mask[i&3]
	}
}

// appendFrameHead appends the head of a complete frame. masked needs a key of
// its own for each frame, which is returned.
func appendFrameHead(dst []byte, op byte, size int, masked bool) (out []byte, mask [4]byte) {
	bit := byte(0)
	if masked {
		bit = maskBit
	}
	dst = append(dst, finBit|op)
	switch {
	case size <= maxControl:
		dst = append(dst, bit|byte(size))
	case size < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(size))
	}
	if masked {
		// RFC 6455 section 10.3: not to be foreseen by whoever chose the payload.
		rand.Read(mask[:])
		dst = append(dst, mask[:]...)
	}
	return dst, mask
}

// appendFrame appends a complete frame.
func appendFrame(dst []byte, op byte, payload []byte, masked bool) []byte {
	dst, mask := appendFrameHead(dst, op, len(payload), masked)
	at := len(dst)
	dst = append(dst, payload...)
	if masked {
		unmask(dst[at:], mask)
	}
	return dst
}

// parseClose reads the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).
func parseClose(p []byte) (code int, err *frameError) {
	switch len(p) {
	case 0:
		return closeNone, nil
	case 1:
		return 0, &frameError{closeProtocol, "half a close code"}
	}
	code = int(binary.BigEndian.Uint16(p))
	defined := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
	if !defined {
		return 0, &frameError{closeProtocol, "undefined close code"}
	}
	if !utf8.Valid(p[2:]) {
		return 0, &frameError{closeEncoding, "close reason is not UTF-8"}
	}
	return code, nil
}

// closePayload is that of a close frame with a code.
func closePayload(code int) []byte {
	if code == closeNone {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, uint16(code))
}
