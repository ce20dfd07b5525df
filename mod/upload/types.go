package upload

import (
	"mime"
	"slices"
	"strings"
)

// anything is the media type of what we do not vouch for.
const anything = "application/octet-stream"

// maxTypeBytes: RFC 6838 section 4.2 allows as much for each half, and nobody has half of that.
const maxTypeBytes = 127

// mediaType is a media type without its parameters, in lower case; false: it is none.
func mediaType(s string) (string, bool) {
	if len(s) > 4*maxTypeBytes {
		return "", false
	}
	t, _, err := mime.ParseMediaType(s)
	if err != nil || len(t) > maxTypeBytes || strings.Count(t, "/") != 1 {
		return "", false
	}
	return t, true
}

// shownImages are pictures that are nothing but pictures: SVG is a page with scripts.
func shownImages() []string {
	return []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif", "image/bmp", "image/jxl"}
}

// pictureTypes are what clients call those pictures that are looked at.
func pictureTypes() []string {
	return []string{"image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/x-png", "image/apng", "image/gif", "image/webp"}
}

// What sounds are called.
const (
	webmSound = "audio/webm"
	oggSound  = "audio/ogg"
)

// soundTypes are what clients call sounds that may be in Opus.
func soundTypes() []string { return []string{webmSound, oggSound, "audio/opus"} }

// wantsOgg tells whether a file is called like an Ogg with sound (RFC 5334 section 10.3, RFC 7845 section 9).
func wantsOgg(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".ogg") || strings.HasSuffix(name, ".oga") || strings.HasSuffix(name, ".opus")
}

// ending of the name of a thumbnail.
func ending(t string) string {
	if t == "image/png" {
		return ".png"
	}
	return ".jpg"
}

// keptTypes are those that no browser takes for scripts, styles or pages. They are to be saved.
func keptTypes() []string {
	return []string{
		"text/plain", "application/pdf", "application/zip", "application/gzip", "application/x-7z-compressed", "application/x-tar",
		"application/vnd.android.package-archive", "application/epub+zip", "application/rtf", "application/msword", "application/json",
	}
}

// served is the media type with which a file is given to whoever asks, and whether a browser may show it by itself. Everything but a short list is
// anything, to be saved: a type that a browser would run must not come from here, whoever embeds it (RFC 6266, the fetch standard's nosniff).
func served(t string) (mediaType string, shown bool) {
	kind, sub, _ := strings.Cut(t, "/")
	switch {
	case strings.Contains(sub, "+"): // such as +xml
	case kind == "audio", kind == "video", slices.Contains(shownImages(), t):
		return t, true
	case slices.Contains(keptTypes(), t), strings.HasPrefix(t, "application/vnd.oasis.opendocument."), strings.HasPrefix(t, "application/vnd.openxmlformats-officedocument."):
		return t, false
	}
	return anything, false
}
