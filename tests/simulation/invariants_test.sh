#!/bin/sh
# Usage: invariants_test.sh SOURCE_DIR
#
# Holds docs/invariants.md against the tests: every test that it names must exist in the file that it names and carry the
# tag of the invariant, and every test with such a tag must be named. An invariant that takes longer to show than a test
# may is held by a command, which must exist as well.
set -eu
cd "$1"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line for each pair: invariant, command.
awk '
  /^## /           { invariant = $2 }
  /^- `\.\/dev /   { command = $3; sub(/`.*/, "", command); print invariant "\t" command }
' docs/invariants.md >"$work/commands"

# One line for each pair: invariant, file, test. Names may follow TEST_CASE on lines of their own, tags too.
awk '
  /^## /      { invariant = $2 }
  /^- `/      { file = $0; sub(/^- `/, "", file); sub(/`$/, "", file) }
  /^  - "/    { name = $0; sub(/^  - "/, "", name); sub(/"$/, "", name); print invariant "\t" file "\t" name }
' docs/invariants.md | sort >"$work/named"

find tests -name '*_test.cpp' | sort | while read -r file; do
  awk -v file="$file" '
    /^TEST_CASE\(/ { text = ""; reading = 1 }
    reading        { text = text $0 }
    reading && /\{ *$/ {
      reading = 0
      # Every second part is a literal. Those of a long name make up one; the last are the tags.
      count = split(text, part, "\"")
      if (count < 4)
        next
      name = ""
      for (number = 2; number < count - 1; number += 2)
        name = name part[number]
      tags = part[count - 1]
      while (match(tags, /\[[BSDFPHC][0-9]+\]/)) {
        print substr(tags, RSTART + 1, RLENGTH - 2) "\t" file "\t" name
        tags = substr(tags, RSTART + RLENGTH)
      }
    }' "$file"
done | sort >"$work/existing"

if ! [ -s "$work/existing" ]; then
  echo "no test carries the name of an invariant" >&2
  exit 1
fi

status=0
comm -23 "$work/named" "$work/existing" >"$work/missing"
comm -13 "$work/named" "$work/existing" >"$work/unnamed"
if [ -s "$work/missing" ]; then
  echo "docs/invariants.md names tests that do not exist:" >&2
  cat "$work/missing" >&2
  status=1
fi
if [ -s "$work/unnamed" ]; then
  echo "docs/invariants.md does not name:" >&2
  cat "$work/unnamed" >&2
  status=1
fi
while read -r invariant command; do
  if ! grep -q "^$command() {" dev; then
    echo "docs/invariants.md has $invariant held by ./dev $command, which does not exist" >&2
    status=1
  fi
done <"$work/commands"
for invariant in B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 S1 S2 S3 S4 S5 D1 D2 D3 D4 D5 D6 D7 D8 F1 F2 F3 F4 P1 P2 P3 P4 P5 P6 P7 P8 H1 H2 H3 H4 H5 C1 C2 C3 C4; do
  if ! cut -f 1 "$work/named" "$work/commands" | grep -qx "$invariant"; then
    echo "no test holds $invariant" >&2
    status=1
  fi
done
exit "$status"
