package dump

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// The marks of values within a row.
const (
	isNull byte = iota
	isInt
	isText
	isBlob
)

var errDamagedRow = errors.New("a damaged row")

// appendRow writes a row in the one form that it has: for each value its mark, then a varint, or a length and bytes.
func appendRow(to []byte, row []driver.Value) ([]byte, error) {
	for _, v := range row {
		switch x := v.(type) {
		case nil:
			to = append(to, isNull)
		case int64:
			to = binary.AppendVarint(append(to, isInt), x)
		case string:
			to = append(binary.AppendUvarint(append(to, isText), uint64(len(x))), x...)
		case []byte:
			to = append(binary.AppendUvarint(append(to, isBlob), uint64(len(x))), x...)
		default:
			return nil, fmt.Errorf("a value of type %T", v)
		}
	}
	return to, nil
}

// readRow reads what appendRow wrote; all of it must be used up. Values share the memory of from.
func readRow(from []byte, columns int) ([]driver.Value, error) {
	row := make([]driver.Value, 0, columns)
	for range columns {
		if len(from) == 0 {
			return nil, errDamagedRow
		}
		mark := from[0]
		from = from[1:]
		switch mark {
		case isNull:
			row = append(row, nil)
			continue
		case isInt:
			x, n := binary.Varint(from)
			if n <= 0 {
				return nil, errDamagedRow
			}
			row, from = append(row, x), from[n:]
			continue
		case isText, isBlob:
		default:
			return nil, errDamagedRow
		}
		size, n := binary.Uvarint(from)
		if n <= 0 || size > uint64(len(from)-n) {
			return nil, errDamagedRow
		}
		value := from[n : n+int(size)]
		from = from[n+int(size):]
		if mark == isText {
			row = append(row, string(value))
		} else {
			row = append(row, value)
		}
	}
	if len(from) > 0 {
		return nil, errDamagedRow
	}
	return row, nil
}

// Sum is what is compared of a table: how many rows, and a hash that does not depend on their order. It is the sum of the rows' hashes, as
// numbers of 256 bits.
type Sum struct {
	Rows  int64
	words [4]uint64
	row   []byte
}

// Add takes a row in.
func (s *Sum) Add(row []driver.Value) error {
	var err error
	if s.row, err = appendRow(s.row[:0], row); err != nil {
		return err
	}
	s.addBytes(s.row)
	return nil
}

// addBytes takes in a row as appendRow writes it.
func (s *Sum) addBytes(row []byte) {
	h := sha256.Sum256(row)
	var carry uint64
	for i := range s.words {
		s.words[i], carry = bits.Add64(s.words[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
	s.Rows++
}

// Hash is the hash in hexadecimal digits.
func (s *Sum) Hash() string {
	return fmt.Sprintf("%016x%016x%016x%016x", s.words[3], s.words[2], s.words[1], s.words[0])
}

// Equal tells whether two tables hold the same rows.
func (s *Sum) Equal(o *Sum) bool { return s.Rows == o.Rows && s.words == o.words }

// MaxRow is the size of the largest row, as it is written, bytes.
const MaxRow = 64 << 20
