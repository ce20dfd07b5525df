//go:build race

package stream

// raceDetector makes stack frames, and so stacks, larger.
const raceDetector = true
