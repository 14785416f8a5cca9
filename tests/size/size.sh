#!/bin/sh
# size.sh <project folder> [--keep]: prints the sizes of what the presets "size..." have built, and fails if one is 3 % above
# tests/size/budget.txt, or not in it. Sizes depend on the compiler and on CAF, whose templates are most of it: with others than
# those of the budget they are printed and not compared, but what the budget has nothing of fails all the same. With --keep
# the budget is written, and the table of it in docs/performance.md.
#   code: the section .text, bytes. file: what is installed, without symbols, bytes.
set -eu
cd "$1"
keep=${2:-}
tolerance=3
budget=tests/size/budget.txt
document=docs/performance.md
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# measure <name> <file>...: a line of the budget, with the sums of all files.
measure() {
  name=$1
  shift
  code=0 file=0
  for each in "$@"; do
    code=$((code + $(size -A -d "$each" | awk '$1 == ".text" { print $2 }')))
    strip -o "$folder/stripped" "$each"
    file=$((file + $(wc -c <"$folder/stripped")))
  done
  echo "$name $code $file"
}

# The compiler that built it, and CAF.
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' build/size/CMakeCache.txt)
version=$("$compiler" --version | head -n1 | sed 's/([^)]*) *//; s/^c++ /g++ /')
caf=$(ldd build/size/bin/echo_client | sed -n 's/^[[:space:]]*libcaf_core\.so\.\([0-9.]*\) .*/\1/p')
toolchain="$version, CAF $caf, $(uname -m)"

{
  measure client_tcp build/size-tcp/bin/echo_client
  measure client_tls build/size-tls/bin/echo_client
  measure client_quic build/size/bin/echo_client
  measure libraries build/size-shared/*/libactorwire_*.so
} >"$folder/sizes"

if [ "$keep" = --keep ]; then
  {
    echo '# Bytes of code, and of the stripped file; written by ./dev size --keep'
    echo "# $toolchain"
    cat "$folder/sizes"
  } >"$budget"
  "$(dirname "$0")/size_table.sh" "$budget" >"$folder/table"
  awk -v table="$folder/table" '
    /^<!-- sizes -->/ { print; inside = 1; while ((getline line < table) > 0) print line; next }
    inside && !/^[|]/ { inside = 0 }
    !inside { print }' "$document" >"$folder/document"
  cat "$folder/document" >"$document"
  cat "$folder/table"
  exit
fi

is_same=yes
grep -qxF "# $toolchain" "$budget" || is_same=
status=0
while read -r name code file; do
  before=$(awk -v name="$name" '$1 == name { print $2, $3 }' "$budget")
  if [ -z "$before" ]; then
    echo "$name: $code bytes of code, $file of file; the budget has nothing of it"
    status=1
    continue
  fi
  # shellcheck disable=SC2086  # two numbers
  set -- $before
  echo "$name: $code bytes of code (budget $1), $file of file (budget $2)"
  for pair in "$code:$1" "$file:$2"; do
    if [ -n "$is_same" ] && [ $((${pair%:*} * 100)) -gt $((${pair#*:} * (100 + tolerance))) ]; then
      echo "  more than $tolerance % above the budget"
      status=1
    fi
  done
done <"$folder/sizes"
[ -n "$is_same" ] || echo "size.sh: not compared, since this is $toolchain" >&2
[ $status = 0 ] || echo 'size.sh: if it has to be, ./dev size --keep, and say in the commit why' >&2
exit $status
