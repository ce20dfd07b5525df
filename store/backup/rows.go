package backup

import (
	"database/sql/driver"

	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// chunk bounds: rows travel together, but not too many.
const (
	chunkRows  = 1000
	chunkBytes = 1 << 20
)

// chunks reads a table and calls f with some rows at a time; they are valid during the call.
func chunks(t *sqlstore.Tables, table *dump.Table, f func(rows [][]driver.Value) error) error {
	var rows [][]driver.Value
	size := 0
	err := t.Rows(table, func(row []driver.Value) error {
		kept := make([]driver.Value, len(row))
		for i, v := range row {
			switch x := v.(type) {
			case []byte:
				size += len(x)
				kept[i] = append([]byte{}, x...)
			case string:
				size += len(x)
				kept[i] = x
			default:
				kept[i] = v
			}
			size += 16
		}
		rows = append(rows, kept)
		if len(rows) < chunkRows && size < chunkBytes {
			return nil
		}
		err := f(rows)
		rows, size = rows[:0], 0
		return err
	})
	if err == nil && len(rows) > 0 {
		err = f(rows)
	}
	return err
}

// sumOf reads a table once more.
func sumOf(t *sqlstore.Tables, table *dump.Table) (*dump.Sum, error) {
	s := new(dump.Sum)
	return s, t.Rows(table, s.Add)
}
