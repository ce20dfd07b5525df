//go:build !race

package muc

const raceDetector = false
