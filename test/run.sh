#!/bin/sh
# Runs the tests, or the test files named as arguments. The last line says how many passed and failed.
# Most tests wait, so four files run side by side on two cores; those in timed/ measure time, and run one by one at the end.
set -eu
cd "$(dirname "$0")/.."

# Where it is set each Node reads that bundle when it starts, 80 ms of processor here and there. Of all that the tests start, npm
# alone speaks TLS to others.
[ -z "${NODE_EXTRA_CA_CERTS-}" ] || export NPM_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"
unset NODE_EXTRA_CA_CERTS

# Below node_modules, so that the packages are found; of its own, so that two runs do not disturb each other.
mkdir -p node_modules/.cache
compiled=$(mktemp -d node_modules/.cache/tests-XXXXXX)
counts=$(mktemp)
trap 'rm -rf "$compiled" "$counts"' EXIT
trap 'exit 1' HUP INT TERM
# Some tests are of other users.
chmod 755 "$compiled"
node test/compile.mjs "$compiled"

passed=0
failed=0
status=0

# Runs compiled test files, so many at the same time as the first argument says, and adds to the counts.
run() {
  : >"$counts"
  # shellcheck disable=SC2086 # a list
  node --enable-source-maps --test --test-concurrency="$1" --test-timeout=600000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$counts" $2 || status=$?
  passed=$((passed + $(count pass)))
  failed=$((failed + $(count fail) + $(count cancelled)))
}
count() { sed -n "s/^# $1 //p" "$counts" | tail -n 1 | grep . || echo 0; }
# Node 20 does not know patterns; our file names have no spaces.
tests_in() { (cd "$compiled" && find "$@" -name '*.test.js' | sort | sed "s|^|$compiled/|"); }

if [ $# = 0 ]; then
  run 4 "$(tests_in test/unit test/integration)"
  run 1 "$(tests_in test/timed)"
else
  run 2 "$(printf '%s\n' "$@" | sed "s|^$PWD/||; s|^\./||; s|\.ts\$|.js|; s|^|$compiled/|")"
fi
if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then
  echo 'No test has run.' >&2
  status=1
fi
[ "$failed" = 0 ] || [ "$status" != 0 ] || status=1
echo "$passed passed, $failed failed"
exit "$status"
