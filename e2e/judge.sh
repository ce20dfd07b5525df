#!/usr/bin/env bash
# The long matrix. Each part says what it is, what the machine lacks for it, and whether it passed; a table closes the run.
# JUDGE_SHORT=1 makes every part small, to see that the script itself works.
set -u
cd "$(dirname "$0")/.."
short=${JUDGE_SHORT:-}
pick() { if [ -n "$short" ]; then echo "$1"; else echo "$2"; fi; }
results=$(mktemp)
trap 'rm -f "$results"' EXIT

part() { # name, command...
	local name=$1 start=$SECONDS log
	shift
	log=$(mktemp)
	echo "== $name: $*"
	if "$@" >"$log" 2>&1; then verdict=passed; else verdict=FAILED; fi
	grep -h "THIS MACHINE LACKS\|^| \|--- FAIL" "$log" | head -40
	if [ "$verdict" = FAILED ]; then tail -60 "$log"; fi
	if grep -q "THIS MACHINE LACKS" "$log"; then verdict="$verdict, incomplete"; fi
	echo "| $name | $verdict | $((SECONDS - start)) s |" >>"$results"
	rm -f "$log"
}

part "plays, every transport" go test -count=1 -timeout 30m ./e2e/play -transport all
part "plays on PostgreSQL" go test -count=1 -timeout 30m ./e2e/play -store postgres -transport all
part "foreign clients" go test -count=1 -timeout 30m ./e2e/peers -v -without=false
part "kills" go test -count=1 -timeout 60m ./e2e/chaos -run 'TestKill$' -v -cycles "$(pick 3 100)" -acked "$(pick 1000 50000)"
part "kills on PostgreSQL" go test -count=1 -timeout 60m ./e2e/chaos -run 'TestKillOnPostgres' -v -cycles "$(pick 3 100)" -acked "$(pick 1000 50000)"
part "kills of PostgreSQL" go test -count=1 -timeout 60m ./e2e/chaos -run 'TestKillPostgres|TestPostgresComesAndGoes' -v -cycles "$(pick 3 50)" -acked "$(pick 1000 20000)"
part "backups under traffic" go test -count=1 -timeout 60m ./e2e/chaos -run 'TestBackups' -v -cycles "$(pick 3 30)"
part "restarts" go test -count=1 -timeout 60m ./e2e/chaos -run 'TestRestart' -v -cycles "$(pick 3 20)"
part "power cuts" go test -count=1 -timeout 60m ./e2e/chaos -run 'PowerCut' -v -cycles "$(pick 2 50)"
part "full and stalled disk" go test -count=1 -timeout 20m ./e2e/chaos -run 'DiskFull|StalledDisk' -v
part "slow reader" go test -count=1 -timeout 30m ./e2e/chaos -run 'SlowReader' -v -slow-bytes "$(pick 20000000 1000000000)"
part "half-open connections" go test -count=1 -timeout 20m ./e2e/chaos -run 'HalfOpen' -v -connections "$(pick 300 3000)" -login-time 30s
part "strangers before the log-in" go test -count=1 -timeout 20m ./e2e/chaos -run 'Strangers' -v -strangers "$(pick 400 10000)" -login-time "$(pick 4s 30s)" -login-within 1s
part "guessing" go test -count=1 -timeout 20m ./e2e/chaos -run 'Guessing|PlainTimes' -v -guesses "$(pick 16 150)" -tries "$(pick 20 200)"
part "silent line" go test -count=1 -timeout 20m ./e2e/chaos -run 'SilentLine' -v -stall "$(pick 4s 30s)"
part "hostile input" go test -count=1 -timeout 30m ./e2e/chaos -run 'HostileInput' -v
part "mutated sessions" go test -count=1 -timeout 60m ./e2e/chaos -run 'Mutated' -v -mutate "$(pick 10s 10m)"
part "certificates by ACME" go test -count=1 -timeout 10m ./e2e/acme -v -without=false
part "race detector" env CGO_ENABLED=1 go test -count=1 -race -timeout 30m ./xmpp/... ./core ./store/... ./mod/... ./edge/... ./server ./certs ./obs
for target in $(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
	for fuzz in $(grep -hoE '^func Fuzz[A-Za-z0-9]+' "$target"/*_test.go | sed 's/func //'); do
		part "fuzz $target $fuzz" go test "$target" -run '^$' -fuzz "^$fuzz\$" -fuzztime "$(pick 2s 1000000x)" -timeout 60m
	done
done
part "seeded faults" go run ./e2e/mutants

echo
echo "| part | verdict | took |"
echo "|---|---|---|"
cat "$results"
! grep -q FAILED "$results"
