#!/bin/sh
# Runs the tests, or the test files named as arguments. The last line says how many passed and failed.
set -eu
cd "$(dirname "$0")/.."

if [ $# = 0 ]; then
  # Node 20 does not know patterns.
  # shellcheck disable=SC2046 # our file names have no spaces
  set -- $(find test/unit test/integration -name '*.test.ts' | sort)
fi

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
status=0
node --import tsx --test --test-concurrency=4 --test-timeout=600000 \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$counts" "$@" || status=$?

count() { sed -n "s/^# $1 //p" "$counts" | tail -n 1; }
passed=$(count pass)
failed=$(($(count fail) + $(count cancelled)))
if [ "${passed:-0}" = 0 ] && [ "$failed" = 0 ]; then
  echo 'No test has run.' >&2
  status=1
fi
[ "$failed" = 0 ] || [ "$status" != 0 ] || status=1
echo "${passed:-0} passed, $failed failed"
exit "$status"
