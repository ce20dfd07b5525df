package main

import (
	"math"
	"slices"
)

// results holds every value measured, by figure and server.
type results struct {
	values map[string]map[string][]float64
	notes  []string
	lacks  map[string][]string  // servers that do not offer a scenario, by its name
	loads  map[string][]float64 // load average before each cell, by figure
}

func newResults() *results {
	return &results{values: make(map[string]map[string][]float64), loads: make(map[string][]float64), lacks: make(map[string][]string)}
}

// add records one round's value. Infinity stands for "does not hold".
func (r *results) add(id, server string, value float64) {
	if r.values[id] == nil {
		r.values[id] = make(map[string][]float64)
	}
	r.values[id][server] = append(r.values[id][server], value)
}

func (r *results) of(id, server string) []float64 { return r.values[id][server] }

// median returns NaN when nothing was measured.
func (r *results) median(id, server string) float64 { return median(r.of(id, server)) }

// best returns the value of the round in the server's favour.
func (r *results) best(id, server string, higher bool) float64 {
	values := r.of(id, server)
	if len(values) == 0 {
		return math.NaN()
	}
	if higher {
		return slices.Max(values)
	}
	return slices.Min(values)
}

// lack records that a server does not offer what a scenario measures.
func (r *results) lack(scenario, server string) {
	if !slices.Contains(r.lacks[scenario], server) {
		r.lacks[scenario] = append(r.lacks[scenario], server)
	}
}

// note keeps a remark for the end of the table, once.
func (r *results) note(text string) {
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// quantile returns the q-quantile of values, which it sorts.
func quantile(values []int64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return float64(values[min(len(values)-1, int(q*float64(len(values))))])
}
