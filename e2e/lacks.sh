#!/usr/bin/env bash
# Names, behind the tests, what this machine lacks for some of them: a skipped test says nothing by itself.
missing=()
for program in profanity mcabber poezio gajim dino-im Xvfb xdotool dbus-daemon tmux node npm chromium fusermount3 ip; do
	command -v "$program" >/dev/null || missing+=("$program")
done
command -v clamd >/dev/null || [ -x /usr/sbin/clamd ] || missing+=(clamd)
for module in slixmpp gi; do
	/usr/bin/python3 -c "import $module" 2>/dev/null || missing+=("python3-$module")
done
(cd "$(dirname "$0")/acme/pebble" && go list -deps github.com/letsencrypt/pebble/v2/cmd/pebble) >/dev/null 2>&1 || missing+=("pebble (from the Go module proxy)")
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ]; then
	echo
	echo "THIS MACHINE LACKS: ${missing[*]}"
	echo "The tests that need them were left out. make judge insists on them; CONTRIBUTING.md lists the packages."
fi
