// Package sqlstore keeps everything in SQL: SQLite today, with statements that PostgreSQL understands too. What differs between the two
// stands in dialect.go.
//
// All writing goes through one commit loop, a goroutine with a connection of its own. It takes whatever was queued while the last commit
// ran and makes one transaction of it, so that one wait for the disk serves many. The loop alone touches that connection; callers hand
// it operations and hold tickets. Reading goes through a small pool beside it and never waits for the loop.
//
// The archive is a table in order of arrival and two orders for reading, by owner and by owner and peer. A page of an order holds rows
// of one or two owners, so filling the orders with every commit would rewrite two whole pages per message. Instead the newest rows stand
// in memory (the tail) and enter the orders some thousands at a time, sorted; a read takes the order up to where it is whole (the
// horizon) and the tail behind it. Because keys only grow, the two never overlap. After a crash the tail is read back from the table.
package sqlstore
