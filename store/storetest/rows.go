package storetest

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"strings"

	"stonechat/store/dump"
)

// AnyRow is the i-th row of a table, from 0, that fits its columns: no value is in another row, and among them are those that are most easily damaged.
// With it a test can fill tables that it does not know.
func AnyRow(table *dump.Table, i int) []driver.Value {
	row := make([]driver.Value, len(table.Columns))
	for c, column := range table.Columns {
		switch column.Kind {
		case dump.Int:
			row[c] = int64(i+1) * int64(1+1_000_003*(i%3))
			if i == 0 && c > 0 {
				row[c] = int64(-1 << 63)
			}
		case dump.Text:
			row[c] = fmt.Sprintf("%d é\u2028'\"\\,\t\n%s", i, strings.Repeat("x", i%50))
		case dump.Blob:
			row[c] = append(bytes.Repeat([]byte{0, 0xff, '\n'}, i%40), byte(i), byte(i>>8), byte(i>>16))
		}
	}
	return row
}
