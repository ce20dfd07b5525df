package xmltok

import "testing"

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{{"", 0, ""}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"aé", 2, "a"}, {"aé", 3, "aé"}, {"€x", 2, ""}, {"x𝄞", 4, "x"}, {"abc", 0, ""}, {"", 3, ""}, {"abcd", 3, "abc"}, {"aü", 2, "a"}, {"ü", 1, ""}, {"aüb", 3, "aü"}} {
		if got := Clip(c.text, c.most); got != c.want {
			t.Errorf("%q to %d: %q", c.text, c.most, got)
		}
	}
}
