// Package sqlstore keeps everything in SQL: in a file of SQLite, or in PostgreSQL, with the same statements. What differs between the two
// stands in dialect.go, inserts.go, sqlite.go and the files postgres*.go.
//
// All writing goes through commit loops, goroutines with a connection of their own. Each takes whatever was queued while its last commit
// ran and makes one transaction of it, so that one wait for the disk serves many. A loop alone touches its connection; callers hand
// it operations and hold tickets. Reading goes through a small pool beside it and never waits for a loop. There is one loop on SQLite and several on
// PostgreSQL; an owner is served by the same one all the time (see lane).
//
// The archive is a table in order of arrival and two orders for reading, by owner and by owner and peer. A page of an order holds rows
// of one or two owners, so filling the orders with every commit would rewrite two whole pages per message. Instead the newest rows stand
// in memory (the tail) and enter the orders some thousands at a time, sorted; a read takes the order up to where it is whole (the
// horizon) and the tail behind it. Because keys only grow, the two never overlap. After a crash the tail is read back from the table.
//
// Snapshot and Loader copy everything, whatever tables there are; package backup is made of them.
package sqlstore
