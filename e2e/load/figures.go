package main

import "strings"

// figure is one row of the table: what is measured, and what a release has to
// reach. Ratios are to the better peer (P) and to the floor (F) of the same
// run; zero means that there is no such target.
type figure struct {
	id     string
	title  string
	unit   string
	digits int     // after the decimal point
	higher bool    // more is better
	wall   bool    // wall clock: weak where the load exceeds the cores
	vsPeer float64 // ratio to P, at most (at least where higher)
	vsBase float64 // ratio to F, likewise
	bound  float64 // absolute, on the reference machine, likewise
	floor  string  // the figure whose floor stands for this one's, if not its own
}

// figures lists the rows in the order of the table.
func figures() []figure {
	var rows []figure
	for _, group := range [][]figure{memoryFigures(), stormFigures(), messageFigures(), presenceFigures(), roomFigures(), eventingFigures(), storageFigures()} {
		rows = append(rows, group...)
	}
	return rows
}

func memoryFigures() []figure {
	return []figure{
		{id: "empty", title: "empty process, PSS", unit: "MB", digits: 1, vsPeer: 3, bound: 25},
		{id: "idle-plain", title: "idle session, plain, roster 0", unit: "KB", digits: 1, vsPeer: 0.2, vsBase: 6, bound: 7},
		{id: "idle-tls", title: "idle session, TLS, roster 0", unit: "KB", digits: 1, vsPeer: 0.3, vsBase: 1.7, bound: 15},
		{id: "idle-websocket", title: "idle session, WebSocket with TLS, roster 0", unit: "KB", digits: 1, bound: 15},
		{id: "idle-tls-growth", title: "bytes per session, N to 2N, TLS, roster 0", unit: "x", digits: 2, bound: 1.05},
		{id: "idle-roster", title: "idle session, TLS, 20 contacts online", unit: "KB", digits: 1},
		{id: "idle-roster-growth", title: "bytes per session, N to 2N, 20 contacts", unit: "x", digits: 2, bound: 1.05},
		{id: "contact-memory", title: "each online contact, per session", unit: "KB", digits: 2, vsPeer: 0.5, bound: 0.15},
		{id: "fill-roster", title: "log-in with 20 contacts online, CPU", unit: "ms", digits: 2},
		{id: "login", title: "log-in, TLS + SCRAM, CPU", unit: "ms", digits: 2, vsPeer: 0.3, vsBase: 2.2, bound: 0.8},
		{id: "login-starttls", title: "log-in, STARTTLS + SCRAM, CPU", unit: "ms", digits: 2},
	}
}

func messageFigures() []figure {
	rows := []figure{
		{id: "chat", title: "message, TLS + 0198, no archive, CPU", unit: "us", digits: 1, vsPeer: 0.25, vsBase: 4, bound: 30},
		{id: "chat-rate", title: "closed loop, 100 pairs, no archive", unit: "msg/s", higher: true, wall: true, vsPeer: 3, vsBase: 0.4},
		{id: "chat-p50", title: "closed loop, 100 pairs, p50", unit: "ms", digits: 2, wall: true},
		{id: "chat-p99", title: "closed loop, 100 pairs, p99", unit: "ms", digits: 2, wall: true},
		{id: "stream", title: "one pair, 50 in flight, no archive, CPU", unit: "us", digits: 1},
		{id: "stream-rate", title: "one pair, 50 in flight, no archive", unit: "msg/s", higher: true, wall: true},
		{id: "kept", title: "message, TLS + 0198, archive on, CPU", unit: "us", digits: 1, vsPeer: 0.05, vsBase: 10, bound: 80, floor: "chat"},
		{id: "kept-rate", title: "closed loop, 100 pairs, archive on", unit: "msg/s", higher: true, wall: true, vsPeer: 20, bound: 8000},
		{id: "kept-p50", title: "closed loop, archive on, p50", unit: "ms", digits: 2, wall: true},
		{id: "kept-p99", title: "closed loop, archive on, p99", unit: "ms", digits: 2, wall: true},
		{id: "kept-stream", title: "one pair, 50 in flight, archive on, CPU", unit: "us", digits: 1},
		{id: "kept-stream-rate", title: "one pair, 50 in flight, archive on", unit: "msg/s", higher: true, wall: true},
	}
	for _, rate := range offeredRates() {
		name := rate.id
		rows = append(rows,
			figure{id: name, title: rate.title + ", CPU", unit: "us", digits: 1},
			figure{id: name + "-p50", title: rate.title + ", p50", unit: "ms", digits: 2, wall: true},
			figure{
				id: name + "-p99", title: rate.title + ", p99", unit: "ms", digits: 2, wall: true,
				vsPeer: rate.vsPeer, vsBase: rate.vsBase, bound: rate.bound,
			})
	}
	return rows
}

func presenceFigures() []figure {
	var rows []figure
	for _, n := range starSizes() {
		id, title := starID(n)
		rows = append(rows,
			figure{id: id + "-on", title: "coming online, " + title + ", CPU per contact", unit: "us", digits: 1, vsPeer: 0.2, vsBase: 5, bound: 25},
			figure{id: id + "-off", title: "going offline, " + title + ", CPU per contact", unit: "us", digits: 1, vsPeer: 0.2, vsBase: 3, bound: 8},
			figure{id: id + "-on-last", title: "coming online, " + title + ", to the last, p50", unit: "ms", digits: 1, wall: true},
			figure{id: id + "-off-last", title: "going offline, " + title + ", to the last, p50", unit: "ms", digits: 1, wall: true})
	}
	return append(rows,
		figure{id: "star-growth", title: "coming online, cost per contact, 500 to 1,000", unit: "x", digits: 2, bound: 1.1},
		figure{id: "sparse-on", title: "coming online, 1 % of many contacts online, CPU", unit: "ms", digits: 2},
		figure{id: "sparse-off", title: "going offline, 1 % of many contacts online, CPU", unit: "ms", digits: 2},
		figure{id: "sparse-on-last", title: "coming online, 1 % online, to the last, p50", unit: "ms", digits: 1, wall: true},
	)
}

func storageFigures() []figure {
	return []figure{
		{id: "offline-store", title: "storing for an absent user, CPU", unit: "us", digits: 1, vsPeer: 0.3, bound: 80},
		{id: "offline-store-rate", title: "storing for an absent user", unit: "msg/s", higher: true, wall: true},
		{id: "offline-drain", title: "log-in and drain, CPU per message", unit: "us", digits: 1, vsPeer: 0.3, bound: 20},
		{id: "page", title: "paging a large archive by 50, CPU per message", unit: "us", digits: 1, vsPeer: 0.15, bound: 15},
		{id: "page-rate", title: "paging a large archive by 50", unit: "msg/s", higher: true, wall: true},
		{id: "newest-small", title: "newest page of a small archive, CPU", unit: "ms", digits: 2},
		{id: "newest-large", title: "newest page of a large archive, CPU", unit: "ms", digits: 2, vsPeer: 0.2, bound: 1},
		{id: "newest-growth", title: "newest page, large against small", unit: "x", digits: 2, bound: 1.2},
		{id: "archive-size", title: "messages in the large archive", unit: "", higher: true},
		{id: "import", title: "import of accounts, time for 10,000", unit: "s", digits: 1, wall: true},
		{id: "import-cpu", title: "import of accounts, CPU each", unit: "ms", digits: 2},
	}
}

// offered is one fixed rate.
type offered struct {
	id      string
	title   string
	rate    int // messages per second
	archive bool
	vsPeer  float64
	vsBase  float64
	bound   float64
}

func offeredRates() []offered {
	return []offered{
		{id: "offered-500", title: "offered 500/s", rate: 500},
		{id: "offered-2000", title: "offered 2,000/s", rate: 2000, vsPeer: 1, vsBase: 1.5},
		{id: "offered-5000", title: "offered 5,000/s", rate: 5000, vsPeer: 1, vsBase: 1.5},
		{id: "kept-offered-2000", title: "offered 2,000/s, archive on", rate: 2000, archive: true, bound: 15},
	}
}

// scenarioOf returns the name of the scenario that a figure comes from: the
// longest that is the figure's id or its beginning.
func scenarioOf(id string) string {
	found := ""
	for _, s := range scenarios() {
		if (id == s.name || strings.HasPrefix(id, s.name+"-")) && len(s.name) > len(found) {
			found = s.name
		}
	}
	return found
}

// derive adds the figures that follow from others.
func derive(results *results, servers []string) {
	for _, server := range servers {
		quotient := func(id, above, below string) {
			if a, b := results.median(above, server), results.median(below, server); a > 0 && b > 0 {
				results.add(id, server, a/b)
			}
		}
		quotient("newest-growth", "newest-large", "newest-small")
		quotient("star-growth", "star1000-on", "star500-on")
		quotient("room500-growth", "room500", "room100")
		quotient("room1000-growth", "room1000", "room500")
		bare, with := results.median("idle-tls", server), results.median("idle-roster", server)
		if bare > 0 && with > 0 {
			results.add("contact-memory", server, (with-bare)/20)
		}
	}
}
