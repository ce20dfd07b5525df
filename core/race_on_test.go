//go:build race

package core_test

// raceDetector allocates more.
const raceDetector = true
