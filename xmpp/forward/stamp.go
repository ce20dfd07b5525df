package forward

import "time"

// stampLayout has microseconds always, so that stamps have one length and sort
// as text. XEP-0313 section 4.1.2 filters by such stamps: with whole seconds a
// client could not name the time of one message among several.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// AppendStamp appends the time in the DateTime profile of XEP-0082
// section 3.2: UTC, microseconds, "Z". Digits below that are cut off.
func AppendStamp(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, stampLayout)
}

// FormatStamp returns what AppendStamp appends.
func FormatStamp(t time.Time) string {
	return string(AppendStamp(make([]byte, 0, len(stampLayout)), t))
}

// ParseStamp reads a time in the DateTime profile of XEP-0082 section 3.2 and
// returns it in UTC. Fractions may have up to nine digits that count; offsets
// from UTC are accepted, a missing zone is not. The error is ErrStamp.
func ParseStamp(s string) (time.Time, error) {
	// The standard library also takes "T1:02:03" and a comma before the
	// fraction, which the profile does not allow.
	if len(s) < len("2006-01-02T15:04:05Z") || len(s) > 64 || s[10] != 'T' || s[13] != ':' ||
		s[19] == ',' {
		return time.Time{}, ErrStamp
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	// The first moment of year 1 is refused because it is Go's zero time, which
	// means "no time" everywhere else.
	if err != nil || t.IsZero() {
		return time.Time{}, ErrStamp
	}
	return t.UTC(), nil
}
