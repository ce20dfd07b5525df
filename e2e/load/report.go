package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const us = "stonechat"

// trustedSessions is how many idle sessions it takes until what a process
// allocates once no longer shows in the bytes per session.
const trustedSessions = 2000

// report renders the table of a run.
func report(b *bench, chosen []scenario, took time.Duration) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Load figures\n\n%s.\n%d rounds (memory and import: 1), %d idle sessions, took %s. ",
		machine(), b.rounds, b.sizes.sessions, took.Round(time.Second))
	out.WriteString(loadLine(b.results))
	out.WriteString("\n\nCells: median [best round]. P: the better peer, F: the floor, both in this run. A row of wall-clock time is in *italics*\n" +
		"and binds only where the load average is below the number of cores; processor time and memory bind always.\n\n")
	if b.sizes.sessions < trustedSessions {
		out.WriteString("With so few sessions the memory rows only show that the measurement works.\n\n")
	}
	for _, line := range lackLines(b, chosen) {
		fmt.Fprintf(&out, "**%s**\n\n", line)
	}
	names := b.names()
	fmt.Fprintf(&out, "| figure | unit | %s | x P | x F | targets |\n|---|---|%s---|---|---|\n",
		strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, f := range figures() {
		if line := row(f, b.results, names); line != "" {
			out.WriteString(line)
		}
	}
	out.WriteString("\n| scenario | load average before each cell, lowest to highest |\n|---|---|\n")
	for _, s := range chosen {
		if loads := b.results.loads[s.name]; len(loads) > 0 {
			fmt.Fprintf(&out, "| %s | %.1f to %.1f |\n", s.name, slices.Min(loads), slices.Max(loads))
		}
	}
	out.WriteString("\n")
	out.WriteString(toolLine(b.results, names))
	for _, server := range b.servers {
		if server.SeedTime > 0 {
			fmt.Fprintf(&out, "- %s took %.1f s to import the accounts of the run\n", server.Name, server.SeedTime.Seconds())
		}
	}
	for _, note := range b.results.notes {
		fmt.Fprintf(&out, "- %s\n", note)
	}
	return out.String()
}

// loadLine says whether the rows of wall-clock time can be trusted.
func loadLine(r *results) string {
	var most float64
	for _, loads := range r.loads {
		most = max(most, slices.Max(loads))
	}
	if most < float64(runtime.NumCPU()) {
		return fmt.Sprintf("Highest load average before a cell: %.1f.", most)
	}
	return fmt.Sprintf("Highest load average before a cell: %.1f on %d cores; see the second table.", most, runtime.NumCPU())
}

// lackLines name what the servers do not offer, a line for each server.
func lackLines(b *bench, chosen []scenario) []string {
	var lines []string
	for _, server := range b.names() {
		var lacking []string
		for _, s := range chosen {
			if slices.Contains(b.results.lacks[s.name], server) {
				lacking = append(lacking, s.name)
			}
		}
		if len(lacking) > 0 {
			lines = append(lines, fmt.Sprintf("NOT OFFERED by %s, so not measured: %s", server, strings.Join(lacking, ", ")))
		}
	}
	return lines
}

// toolLine tells what the generator itself cost.
func toolLine(r *results, names []string) string {
	var parts []string
	for _, id := range []string{"chat", "stream", "kept", "offered-2000", "room100", "room500", "room1000"} {
		for _, name := range names {
			if v := r.median("tool:"+id, name); v > 0 {
				parts = append(parts, fmt.Sprintf("%s/%s %.1f", id, name, v))
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "- the generator's own processor time, us per message: " + strings.Join(parts, ", ") + "\n"
}

// row renders one figure, or nothing when nobody was measured.
func row(f figure, r *results, names []string) string {
	var cells []string
	measured := false
	for _, name := range names {
		text := rendered(f, r, name)
		measured = measured || text != ""
		cells = append(cells, text)
	}
	if !measured {
		return ""
	}
	title := f.title
	if f.wall {
		title = "*" + title + "*"
	}
	own := r.median(f.id, us)
	floor := f.id
	if f.floor != "" {
		floor = f.floor
	}
	peer, base := better(f, r), r.median(floor, "floor")
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", title, f.unit, strings.Join(cells, " | "),
		ratio(own, peer), ratio(own, base), targets(f, own, peer, base))
}

// rendered shows one server's value: the median and the best round.
func rendered(f figure, r *results, name string) string {
	values := r.of(f.id, name)
	if len(values) == 0 {
		if slices.Contains(r.lacks[scenarioOf(f.id)], name) {
			return "NOT OFFERED"
		}
		return ""
	}
	middle := r.median(f.id, name)
	if math.IsInf(middle, 0) {
		return "does not hold"
	}
	text := strconv.FormatFloat(middle, 'f', f.digits, 64)
	if len(values) > 1 {
		text += " [" + strconv.FormatFloat(r.best(f.id, name, f.higher), 'f', f.digits, 64) + "]"
	}
	return text
}

// better returns the value of the better peer, or NaN.
func better(f figure, r *results) float64 {
	best := math.NaN()
	for _, peer := range []string{"prosody", "ejabberd"} {
		v := r.median(f.id, peer)
		if math.IsNaN(v) {
			continue
		}
		if math.IsNaN(best) || f.higher == (v > best) {
			best = v
		}
	}
	return best
}

func ratio(own, other float64) string {
	q := own / other
	if math.IsNaN(q) || math.IsInf(q, 0) || q == 0 {
		return ""
	}
	return strconv.FormatFloat(q, 'g', 3, 64)
}

// targets renders each target of the figure and whether it is met.
func targets(f figure, own, peer, base float64) string {
	var parts []string
	judge := func(label string, value, limit float64) {
		if limit == 0 {
			return
		}
		if label == "F " && math.IsInf(base, 0) {
			value = math.NaN() // a floor that stalled is no measure
		}
		sign := "<="
		if f.higher {
			sign = ">="
		}
		text := fmt.Sprintf("%s%s%s", label, sign, strconv.FormatFloat(limit, 'f', -1, 64))
		if !math.IsNaN(value) {
			text += verdict(value, limit, f.higher)
		}
		parts = append(parts, text)
	}
	judge("P ", own/peer, f.vsPeer)
	judge("F ", own/base, f.vsBase)
	judge("", own, f.bound)
	return strings.Join(parts, ", ")
}

func verdict(value, limit float64, higher bool) string {
	if value <= limit && !higher || value >= limit && higher {
		return " met"
	}
	return " **missed**"
}
