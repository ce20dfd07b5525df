// Package chaos judges what Stonechat promises about bad days: the process is
// killed, the power goes, the disk is full or stands still, a client stops
// reading, a line falls silent, thousands connect and say nothing, somebody
// tries passwords, and peers send what no standard allows. Every judge runs a whole server as a process of
// its own and looks at it only through XMPP, HTTP, its control command and
// /proc.
//
// # What is checked after an outage
//
// Users send numbered messages to each other with XEP-0198 and change their
// contact lists; a [Ledger] notes what the server acknowledged and what each
// receiver saw. After each outage the archives of all users are read
// (XEP-0313) and compared with it: what was acknowledged is in the archives of
// both sides exactly once, what anybody saw is there, the messages of one
// sender are in the order of sending, and no acknowledged change of a contact
// list has gone. Messages that were not acknowledged are sent again with the
// same origin-id (XEP-0359), so a server that stores them twice is found as
// well.
//
// Rooms and nodes go along. All users are in the halls, speak there, and note
// in [Said] what each heard and in which order: what anybody heard, or what was
// acknowledged, is in the archive of the hall, once, in the order in which
// everybody heard it. What nobody was told of may be there or not; it is not
// said again, except in a session that was resumed. Users also change what a
// server confirms by the result of an IQ: configuration, affiliations and nicks
// of rooms, items, titles and the being of nodes, bookmarks, the profile, each
// through several values and, where that is possible, an end. [Facts] holds
// that each has the confirmed value or a later one, in every form in which it is
// shown, and that rooms and nodes whose end was confirmed do not come back.
//
// After each start somebody enters the halls who is not there any more after the
// next one: shown must be who came back or has entered again, once, and nobody
// else. When the process ends in order, whoever is resumed misses nothing that
// is said in the halls, and does not enter them again.
//
// # The power cut
//
// The server runs on the simulated disk of package disk: a file system in the
// memory of the judge, mounted through FUSE, which knows of every byte and
// every name whether it was synced. Cutting the power stops that disk between
// two operations, kills the server, and draws one of the states in which a
// real disk could be found. Weighed and left aside were:
//
//   - recording the system calls with ptrace or strace and building the folder
//     from the record: needs no /dev/fuse, but the record of concurrent calls
//     has no exact order, memory-mapped writes are not seen, and stopping at
//     each call changes the timing of group commit by an order of magnitude;
//   - a block device (loop, device mapper, network block device) under a real
//     file system: tests one file system's habits instead of POSIX, needs root
//     and kernel modules, and a file system's own journal commits every few
//     seconds, which hides missing syncs.
//
// The FUSE layer is exact (one lock orders all operations), shows folder
// entries as well as contents, and serves the judges of the full and of the
// stalled disk too. What it cannot show: a disk that lies about its cache, and
// the delays of a real one, unless set by hand. SQLite maps its -shm file into
// memory; such pages reach the layer late or never, which is right, because
// that file is rebuilt after a crash. Its syncs take some milliseconds, another
// time between each two cuts. So it shows what a kill of the process alone
// hardly does, since the system keeps what was written: that somebody was told
// of something before the disk had it.
//
// That the harness can fail is part of the tests: package disk shows programs
// that forget a sync being caught, and the judge itself must find losses with
// the server's store.synchronous = "off".
//
// # PostgreSQL
//
// The judges of kills also run with the data in a PostgreSQL server that they
// start: our process is killed, the database server is, or both. While the
// database server is away nothing may be refused that comes back in time, and
// no connection may break.
//
// # Backups
//
// Backups are made under traffic, while the backup or the server is killed
// now and then. Every one that was finished is restored and must hold all that
// was acknowledged before it was begun; one that was not finished must not
// stand under its name.
//
// # How to run
//
// Every judge is a Go test; its defaults are small enough for daily use:
//
//	go test ./e2e/chaos                                  # all, small
//	go test ./e2e/chaos -run Kill -cycles 100 -acked 50000 -timeout 1h -v
//	go test ./e2e/chaos -run Restart -cycles 20 -acked 20000 -timeout 1h -v
//	go test ./e2e/chaos -run PowerCut -cycles 50 -timeout 1h -v
//	go test ./e2e/chaos -run SlowReader -slow-bytes 1000000000 -timeout 1h -v
//	go test ./e2e/chaos -run HalfOpen -connections 10000 -login-time 30s -v
//	go test ./e2e/chaos -run Strangers -strangers 10000 -login-time 30s -login-within 1s -v
//	go test ./e2e/chaos -run 'Guessing|PlainTimes' -guesses 150 -tries 200 -v
//	go test ./e2e/chaos -run SilentLine -stall 30s -v
//	go test ./e2e/chaos -run Mutated -mutate 10m -seed 7 -timeout 20m -v
//
// The flag -server prosody runs the same judges against Prosody as Debian
// packages it, which tells a fault of the judge from a fault of the server.
// What the machine lacks (FUSE, network namespaces, Prosody) is said loudly as a
// skipped test.
package chaos
