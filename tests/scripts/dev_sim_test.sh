#!/bin/sh
# dev_sim_test.sh <dev>: gives `dev sim` arguments that make no sense, and expects to be told which and why. Nothing is
# installed or built for them.
set -eu
dev=$1
failures=0

# refused <complaint> <argument>...
refused() {
  complaint=$1
  shift
  if report=$("$dev" sim "$@" 2>&1); then report='nothing'; fi
  [ "$report" != "dev: sim: $complaint" ] || return 0
  printf 'FAILED: sim %s\n  wanted:   %s\n  reported: %s\n' "$*" "$complaint" "$report"
  failures=1
}

refused '--seeds needs a number below 2^64' --seeds
refused '--seeds needs a number below 2^64' --seeds many
refused '--seeds needs a number below 2^64' --seeds -1
refused '--seeds needs a number above 0' --seeds 0
refused '--from needs a number below 2^64' --seeds 10 --from 0x10
refused '--seed needs a number below 2^64' --seed 123456789012345678901
refused '--from needs a number below 2^64' --from 18446744073709551616
refused '--seed is one story; --seeds and --from tell several' --seed 1 --seeds 2
refused '--seed is one story; --seeds and --from tell several' --from 1 --seed 2
refused "unknown argument '--sede'" --sede 1
refused "unknown argument '--sede'" --sanitize --sede 1
refused "unknown argument '17'" 17

exit $failures
