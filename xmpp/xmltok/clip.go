package xmltok

import "unicode/utf8"

// Clip returns text, or as many whole characters of it as fit into most bytes.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
