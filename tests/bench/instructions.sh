#!/bin/sh
# instructions.sh <bench_paths> <file of kept figures> [--keep]: counts the instructions in user space that each path takes, and
# fails if one takes 5 % more than the file says, or is not in it. Time depends on the machine and on who else uses it, this
# does not. It depends on the compiler and the libraries, so figures of others are printed and nothing is compared (exit status
# 77: skipped). With --keep the file is written.
set -eu
program=$1 kept=$2 keep=${3:-}
tolerance=5
# How often a path is gone: so often that the beginning and the end do not show.
small_times=400 large_times=40

# What else depends on the processor: the ciphers, and how memory is copied.
GNUTLS_CPUID_OVERRIDE=0x1
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-Prefer_ERMS
export GNUTLS_CPUID_OVERRIDE GLIBC_TUNABLES

if ! command -v valgrind >/dev/null; then
  echo 'instructions.sh: there is no valgrind: skipped' >&2
  exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# count_of <path>: instructions for each time.
count_of() {
  case $1 in
  *_64k) times=$large_times ;;
  *) times=$small_times ;;
  esac
  valgrind --tool=callgrind --toggle-collect=actorwire_bench_counted --callgrind-out-file="$folder/$1" \
    "$program" --path "$1" --times "$times" >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    return 1
  }
  sed -n 's/^totals: //p' "$folder/$1" | awk -v times="$times" '{ printf "%d\n", $1 / times }'
}

{
  "$program" --toolchain | sed 's/^/# /'
  echo "# $(uname -m)"
} >"$folder/head"

status=0
: >"$folder/counts"
for path in $("$program" --list); do
  count=$(count_of "$path") || exit 1
  echo "$path $count" >>"$folder/counts"
done

if [ "$keep" = --keep ]; then
  {
    echo '# Instructions in user space that each path takes, both sides together; written by ./dev instructions --keep'
    cat "$folder/head" "$folder/counts"
  } >"$kept"
  cat "$folder/counts"
  exit
fi

sed -n '/^# written\|^# Instr/d; /^#/p' "$kept" >"$folder/kept_head"
if ! cmp -s "$folder/head" "$folder/kept_head"; then
  cat "$folder/head" "$folder/counts"
  echo "instructions.sh: $kept has figures of another toolchain: skipped" >&2
  exit 77
fi

while read -r path count; do
  before=$(awk -v path="$path" '$1 == path { print $2 }' "$kept")
  if [ -z "$before" ]; then
    echo "$path: $count instructions, and none kept"
    status=1
    continue
  fi
  change=$(awk -v now="$count" -v before="$before" 'BEGIN { printf "%+.1f", 100 * (now / before - 1) }')
  echo "$path: $count instructions, kept $before ($change %)"
  if [ "$(awk -v change="$change" -v most="$tolerance" 'BEGIN { print (change > most) }')" = 1 ]; then
    echo "  more than $tolerance % above what was kept"
    status=1
  fi
done <"$folder/counts"
[ $status = 0 ] || echo 'instructions.sh: if it has to be, ./dev instructions --keep, and say in the commit why' >&2
exit $status
