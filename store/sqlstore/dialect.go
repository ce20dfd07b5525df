package sqlstore

import (
	"strings"
)

// dialect is what differs between the databases.
type dialect struct {
	words *strings.Replacer // the words of table definitions
	// placeholder of the n-th argument in generated statements; hand-written ones say $1, which both understand.
	placeholder func(n int) string
}

// sqliteDialect: named parameters are looked up one by one in SQLite, so long generated statements use anonymous ones.
func sqliteDialect() dialect {
	return dialect{
		words: strings.NewReplacer(
			"{ID}", "INTEGER PRIMARY KEY AUTOINCREMENT",
			"{KEY}", "INTEGER PRIMARY KEY",
			"{BLOB}", "BLOB",
			"{CLUSTERED}", " WITHOUT ROWID",
		),
		placeholder: func(int) string { return "?" },
	}
}

// insertMany returns an INSERT of rows rows.
func (d dialect) insertMany(into string, columns, rows int, tail string) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + into + " VALUES ")
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			b.WriteString(d.placeholder(r*columns + c + 1))
		}
		b.WriteByte(')')
	}
	b.WriteString(tail)
	return b.String()
}

// list returns n placeholders in parentheses, the first being that of argument first.
func (d dialect) list(n, first int) string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = d.placeholder(first + i)
	}
	return "(" + strings.Join(marks, ",") + ")"
}
