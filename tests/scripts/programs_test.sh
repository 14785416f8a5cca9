#!/bin/sh
# usage: programs_test.sh <program>...
#
# Tests that talk to a program of others skip where it is not installed, so that the rest can be tried anywhere. Where a
# change is checked (CI is set), nothing may be missing: it would have been tested by nobody.
set -u
PATH=$PATH:/usr/sbin:/sbin

missing=
for program; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

echo "not installed, so what talks to it is not tested:$missing; scripts/install-dependencies.sh test installs it" >&2
[ -n "${CI:-}" ] || exit 77
exit 1
