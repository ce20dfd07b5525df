package dump

import (
	"database/sql/driver"
	"fmt"
)

// Kind is what a column holds.
type Kind string

// The kinds; any of them may be NULL as well.
const (
	Int  Kind = "int"
	Text Kind = "text"
	Blob Kind = "blob"
)

// Column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Table is a table as the database itself describes it.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Check says whether a row fits the table.
func (t *Table) Check(row []driver.Value) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("table %s: a row of %d values, not %d", t.Name, len(row), len(t.Columns))
	}
	for i, v := range row {
		ok := false
		switch v.(type) {
		case nil:
			ok = true
		case int64:
			ok = t.Columns[i].Kind == Int
		case string:
			ok = t.Columns[i].Kind == Text
		case []byte:
			ok = t.Columns[i].Kind == Blob
		}
		if !ok {
			return fmt.Errorf("table %s: %s holds a %T, not %s", t.Name, t.Columns[i].Name, v, t.Columns[i].Kind)
		}
	}
	return nil
}
