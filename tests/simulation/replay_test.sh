#!/bin/sh
# replay_test.sh <simulation_test>
#
# Tells a few random stories twice, in two processes: nothing in them may depend on addresses, on what ran before, or on
# the time of day. A seed that found something would be worth nothing otherwise.
set -eu
program=$1
seed=${ACTORWIRE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

tell() { ACTORWIRE_SEED=$seed ACTORWIRE_SEEDS=3 "$program" '[seeds]' 2>/dev/null | grep ', trace ' || true; }

first=$(tell)
second=$(tell)
if [ "$(printf '%s\n' "$first" | wc -l)" -ne 3 ]; then
  printf 'ACTORWIRE_SEED=%s: there are no three stories, but\n%s\n' "$seed" "$first" >&2
  exit 1
fi
if [ "$first" != "$second" ]; then
  printf 'ACTORWIRE_SEED=%s tells\n%s\nand then\n%s\n' "$seed" "$first" "$second" >&2
  exit 1
fi
