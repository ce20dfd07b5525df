//go:build race

package muc

// raceDetector allocates more.
const raceDetector = true
