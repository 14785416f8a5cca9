#!/bin/sh
# quotes_test.sh <project folder>: the documentation says what the files say. Prints what differs, and fails then.
#   - A code block behind "<!-- quotes: file -->" or "<!-- quotes: file [part] -->" is that file, or that part of it
#     without its indentation, word for word.
#   - Relative links lead to files that exist, and so do paths of files in back quotes.
#   - Every message type has a row in docs/reference.md, and every row of a table as many cells as its head.
#   - Every test that docs/answers.md names is in the file that it names.
#   - The table of sizes in docs/performance.md is that of tests/size/budget.txt.
#   - The table of states in docs/architecture.md is that of tests/unit/actors/state_table.txt.
set -eu
cd "$1"
status=0
complain() {
  printf '%s\n' "$*" >&2
  status=1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

documents="README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md $(find docs -name '*.md' | sort)"

# part_of <file> <part or nothing>
part_of() {
  if [ -z "$2" ]; then
    cat "$1"
  else
    awk -v begin="// [$2]" -v end="// [/$2]" '
      index($0, end) { inside = 0 }
      inside { if (!seen++) { match($0, /^ */); indent = RLENGTH } print substr($0, indent + 1) }
      index($0, begin) { inside = 1 }' "$1"
  fi
}

for document in $documents; do
  # Each quote becomes a file of its own, whose first line says what it quotes.
  rm -f "$folder"/quote.*
  awk -v stem="$folder/quote." '
    /^<!-- quotes: / { name = $0; sub(/^<!-- quotes: /, "", name); sub(/ -->$/, "", name); next }
    /^```/ { if (inside) { close(out); inside = 0; name = "" }
             else if (name != "") { out = stem (++count); print name >out; inside = 1 }
             next }
    inside { print >out }' "$document"
  for quote in "$folder"/quote.*; do
    [ -f "$quote" ] || continue
    read -r file part <"$quote" || true
    part=$(printf '%s' "$part" | tr -d '[]')
    if [ ! -f "$file" ]; then
      complain "$document quotes $file, which is not there"
      continue
    fi
    part_of "$file" "$part" >"$folder/original"
    tail -n +2 "$quote" >"$folder/shown"
    if ! [ -s "$folder/original" ] || ! diff -u "$folder/original" "$folder/shown" >&2; then
      complain "$document: the quote of $file $part differs"
    fi
  done

  awk '/^```/ { inside = !inside; next } !inside' "$document" >"$folder/text"
  for link in $(grep -oE '\]\([^)# ]+' "$folder/text" | sed 's/^](//' | grep -v '^https:' || true); do
    [ -e "$(dirname "$document")/$link" ] || complain "$document: nothing at $link"
  done
  # Bars in back quotes, and those that are escaped, part no cells.
  # shellcheck disable=SC2016  # the back quotes are of the text
  sed 's/`[^`]*`/x/g; s/\\|/x/g' "$folder/text" | awk -F '|' '
    !/^[|]/ { cells = 0; next }
    cells == 0 { cells = NF }
    NF != cells { print }' >"$folder/broken"
  while read -r row; do
    complain "$document: a row with other cells than its head: $row"
  done <"$folder/broken"
  # shellcheck disable=SC2016  # the back quotes are of the text
  for path in $(grep -oE '`(tests|actors/src|messages|transports)/[a-z_/.]+`' "$folder/text" | tr -d '`'); do
    [ -e "$path" ] || complain "$document: there is no $path"
  done
done

sed -n 's/^CAF_ADD_TYPE_ID(actorwire, (actorwire::\([a-z_]*\)))$/\1/p' \
  actors/include/actorwire/actors/type_ids.hpp >"$folder/types"
[ -s "$folder/types" ] || complain 'no message types found'
while read -r type; do
  case $type in
  peer_directive | peer_leaving | peer_resting) continue ;; # between supervisors and their peers
  open_socket | places_changed | credentials_changed | accept_failed | accepted_early | handshake_done) continue ;; # between listeners and their parts
  esac
  grep -q "\`$type\`" docs/reference.md || complain "docs/reference.md: nothing about $type"
done <"$folder/types"

# Behind the name of a file stand those of tests in it, in double quotes.
awk '{ rest = $0; file = ""
  while (match(rest, /`[a-z_\/]+_test\.cpp`|"[^"]+"/)) {
    token = substr(rest, RSTART, RLENGTH)
    rest = substr(rest, RSTART + RLENGTH)
    if (token ~ /^`/)
      file = substr(token, 2, length(token) - 2)
    else
      print "tests/" file "\t" token
  } }' docs/answers.md >"$folder/tests"
[ -s "$folder/tests" ] || complain 'docs/answers.md names no test'
while IFS='	' read -r file test; do
  grep -qF "$test" "$file" || complain "docs/answers.md: no $test in $file"
done <"$folder/tests"

awk '/^<!-- sizes -->/ { inside = 1; next } inside && !/^[|]/ { inside = 0 } inside' docs/performance.md >"$folder/shown"
tests/size/size_table.sh tests/size/budget.txt >"$folder/original"
diff -u "$folder/original" "$folder/shown" >&2 || complain 'docs/performance.md: the table of sizes differs'

# Rows of the table of states: | `event` | from, from, ... | to |
awk -F ' *[|] *' '/^<!-- states -->/ { inside = 1 } inside && /^$/ { if (rows) inside = 0 }
  inside && $2 ~ /^`/ { rows++; gsub(/`/, ""); count = split($3, from, /, */)
    for (i = 1; i <= count; ++i) print from[i], $2, "->", $4 }' docs/architecture.md | sort >"$folder/shown"
sort tests/unit/actors/state_table.txt >"$folder/original"
diff -u "$folder/original" "$folder/shown" >&2 || complain 'docs/architecture.md: the table of states differs'

exit $status
