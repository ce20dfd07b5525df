//go:build !linux

package chaos

import "testing"

func TestSilentLine(t *testing.T) {
	t.Skip("THIS MACHINE LACKS: Linux, whose network namespaces make a line that can be cut without a word")
}
