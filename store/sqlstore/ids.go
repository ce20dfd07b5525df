package sqlstore

import (
	"encoding/base64"
	"encoding/binary"

	"stonechat/store"
)

// encoding of ids; strict, so that a row has one id only.
var encoding = base64.RawURLEncoding.Strict()

// publicID is the key and the owner under a secret permutation: nobody can guess an id, tell from it when or how many messages came, or
// use another owner's; and no index is needed to find the row.
func (db *DB) publicID(owner store.Owner, key store.Key) string {
	var block [16]byte
	binary.BigEndian.PutUint64(block[:8], uint64(key))
	binary.BigEndian.PutUint64(block[8:], uint64(owner))
	db.ids.Encrypt(block[:], block[:])
	return encoding.EncodeToString(block[:])
}

// keyOf returns the key within an id of this owner; false for anything else. It does not say that the row exists.
func (db *DB) keyOf(owner store.Owner, id string) (store.Key, bool) {
	var block [16]byte
	if len(id) != encoding.EncodedLen(len(block)) {
		return 0, false
	}
	// Decode skips line breaks, so the number of bytes tells as well.
	if n, err := encoding.Decode(block[:], []byte(id)); err != nil || n != len(block) {
		return 0, false
	}
	db.ids.Decrypt(block[:], block[:])
	if binary.BigEndian.Uint64(block[8:]) != uint64(owner) {
		return 0, false
	}
	return store.Key(binary.BigEndian.Uint64(block[:8])), true
}
