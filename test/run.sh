#!/bin/sh
# Runs the tests, or the test files named as arguments. The last line says how many passed and failed.
# Most tests wait, so four files run side by side on two cores; those in timed/ measure time, and run one by one at the end.
set -eu
cd "$(dirname "$0")/.."

# Where it is set each Node reads that bundle when it starts, 80 ms of processor here and there, and no test speaks TLS to others.
unset NODE_EXTRA_CA_CERTS

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
passed=0
failed=0
status=0

# Runs test files, so many at the same time as the first argument says, and adds to the counts.
run() {
  : >"$counts"
  # shellcheck disable=SC2086 # a list
  node --import tsx --test --test-concurrency="$1" --test-timeout=600000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$counts" $2 || status=$?
  passed=$((passed + $(count pass)))
  failed=$((failed + $(count fail) + $(count cancelled)))
}
count() { sed -n "s/^# $1 //p" "$counts" | tail -n 1 | grep . || echo 0; }
# Node 20 does not know patterns; our file names have no spaces.
tests_in() { find "$@" -name '*.test.ts' | sort; }

if [ $# = 0 ]; then
  run 4 "$(tests_in test/unit test/integration)"
  run 1 "$(tests_in test/timed)"
else
  run 2 "$*"
fi
if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then
  echo 'No test has run.' >&2
  status=1
fi
[ "$failed" = 0 ] || [ "$status" != 0 ] || status=1
echo "$passed passed, $failed failed"
exit "$status"
