package cluster

import (
	"encoding/binary"
	"errors"
)

// Kind is one of the five kinds of frames.
type Kind uint8

// The kinds of frames.
const (
	Ack      Kind = iota + 1 // done, for a reference
	Attach                   // a socket for this session sits here
	Inbound                  // its client said this
	Outbound                 // write these bytes
	Deliver                  // something for what you own
)

// Op is what a frame asks or tells. Each belongs to one Kind.
type Op uint8

// The operations, by kind.
const (
	// AckStanza: the stanza Ref of the receiver is settled: what had to be durable is. With Fault nobody took it, and its sender must hear so.
	AckStanza Op = iota + 1
	// AckInbound: Count of the InboundStanza frames of attachment Ref are settled, from the first without gaps.
	AckInbound

	// AttachBind: bind To, a full address, to attachment Ref. Address, Data, which goes out first, and in ID
	// how its client comes in, if that is said.
	AttachBind
	// AttachResume: resume the session ID of the account To for attachment Ref; Count is what its client has handled. Address, and in Data
	// how the client comes in, if that is said.
	AttachResume
	// AttachAnswer: attachment Ref belongs to the session To; with Fault there is none.
	AttachAnswer

	// InboundStanza: Data, stamped with its sender. Flag: its address was malformed and is left out.
	InboundStanza
	// InboundLost: the connection is gone; Count is the reason.
	InboundLost
	// InboundBroken: the client broke the protocol; Fault is what it is told.
	InboundBroken
	// InboundWritable: the connection takes more again.
	InboundWritable
	// InboundRequest: ask the client Data, the payload of an IQ, and ignore its answer.
	InboundRequest

	// OutboundBytes: write Data. Flag: nothing more comes before InboundWritable is sent.
	OutboundBytes
	// OutboundClose: end the connection; Fault, if there is one, is what the client is told. The attachment is forgotten on both sides.
	OutboundClose

	// DeliverStanza: Data for its own address, answered with AckStanza for Ref; Role is its sender's. Of what a room passes on To are other sessions
	// that it is for, and From is who is behind it, if that may be known.
	DeliverStanza
	// DeliverPresence: Data, if any, for To, and a probe of From, if any. It is not answered.
	DeliverPresence
	// DeliverTold: Data, which a room tells, for the session at To. It is not answered.
	DeliverTold
)

// Kind of the operation; zero for an unknown one.
func (o Op) Kind() Kind {
	switch o {
	case AckStanza, AckInbound:
		return Ack
	case AttachBind, AttachResume, AttachAnswer:
		return Attach
	case InboundStanza, InboundLost, InboundBroken, InboundWritable, InboundRequest:
		return Inbound
	case OutboundBytes, OutboundClose:
		return Outbound
	case DeliverStanza, DeliverPresence, DeliverTold:
		return Deliver
	}
	return 0
}

// Frame is one thing that a node says to another. What is not named with its Op is zero. An attachment is named by the node where the socket
// sits, a stanza by the node that has delivered it.
type Frame struct {
	Op       Op
	Flag     bool
	Ref      uint64
	Count    uint64
	To, From string // addresses
	ID       string // secret of a session
	Address  string // of the network
	Role     string
	Fault    Fault
	Data     []byte
}

// Fault is an error that a client is told, of a stanza or of its stream, or the name of one that nodes tell each other.
type Fault struct {
	Condition string // empty: none
	Text      string
	Detail    string
	App       string
}

// MaxFrame is the size of the largest frame that is encoded or decoded, bytes.
const MaxFrame = 16 << 20

// The errors of encoding and decoding.
var (
	ErrTooLarge = errors.New("cluster: the frame is too large")
	ErrBadFrame = errors.New("cluster: not a frame")
)

// Kind of the frame.
func (f *Frame) Kind() Kind { return f.Op.Kind() }

const flagged = 0x80 // in the byte of the Op

// Append appends the encoded frame: the Op, two numbers, then every text with its length.
func (f *Frame) Append(b []byte) ([]byte, error) {
	start := len(b)
	op := byte(f.Op)
	if f.Flag {
		op |= flagged
	}
	b = append(b, op)
	b = binary.AppendUvarint(b, f.Ref)
	b = binary.AppendUvarint(b, f.Count)
	for _, s := range f.texts() {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	b = append(b, f.Data...)
	if len(b)-start > MaxFrame {
		return b[:start], ErrTooLarge
	}
	return b, nil
}

// texts are the fields in the order of the encoding. Data is the rest.
func (f *Frame) texts() [9]*string {
	return [9]*string{
		&f.To, &f.From, &f.ID, &f.Address, &f.Role,
		&f.Fault.Condition, &f.Fault.Text, &f.Fault.Detail, &f.Fault.App,
	}
}

// Decode reads exactly one frame. Nothing of b is kept.
func Decode(b []byte) (Frame, error) {
	var f Frame
	if len(b) == 0 || len(b) > MaxFrame {
		return Frame{}, ErrBadFrame
	}
	f.Op, f.Flag = Op(b[0]&^flagged), b[0]&flagged != 0
	if f.Kind() == 0 {
		return Frame{}, ErrBadFrame
	}
	b = b[1:]
	for _, n := range [...]*uint64{&f.Ref, &f.Count} {
		v, used := binary.Uvarint(b)
		if used <= 0 {
			return Frame{}, ErrBadFrame
		}
		*n, b = v, b[used:]
	}
	for _, s := range f.texts() {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return Frame{}, ErrBadFrame
		}
		b = b[used:]
		*s, b = string(b[:n]), b[n:]
	}
	if len(b) > 0 {
		f.Data = append([]byte(nil), b...)
	}
	return f, nil
}
