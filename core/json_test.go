package core

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestHasNUL(t *testing.T) {
	for text, want := range map[string]bool{
		`"a\u0000b"`: true, `"\\\u0000"`: true, `{"\u0000":1}`: true, `["\"\u0000"]`: true,
		`"a\\u0000b"`: false, `"\\\\u0000"`: false, `"\u00001"`: true, `"\u0001"`: false, `"0000"`: false, `""`: false, `"\\"`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		out := func(s string) bool { return strings.Contains(s, "\x00") }
		means := false
		switch v := v.(type) {
		case string:
			means = out(v)
		case []any:
			s, _ := v[0].(string)
			means = out(s)
		case map[string]any:
			for k := range v {
				means = out(k)
			}
		}
		if got := HasNUL([]byte(text)); got != want || means != want {
			t.Errorf("%s: %v, and means %v", text, got, means)
		}
	}
}
