#!/bin/sh
# instructions.sh <bench_paths> <file of kept figures> [--keep]: counts the instructions in user space that each path takes, and
# fails if one takes 5 % more or less than the file says, is not in it, or is in it and was not counted. Time depends on the
# machine and on who else uses it, this does not. It depends on the compiler and the libraries: with others than those of the
# file nothing is counted or compared (exit status 77: skipped). With --keep the file is written.
set -eu
program=$1 kept=$2 keep=${3:-}
tolerance=5
# How often a path is gone: so often that the beginning and the end do not show.
small_times=400 large_times=40

# What else depends on the processor: the ciphers, and how memory is copied.
GNUTLS_CPUID_OVERRIDE=0x1
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-Prefer_ERMS
export GNUTLS_CPUID_OVERRIDE GLIBC_TUNABLES

die() {
  echo "instructions.sh: $*" >&2
  exit 1
}

if ! command -v valgrind >/dev/null; then
  echo 'instructions.sh: there is no valgrind: skipped' >&2
  exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# -- what there is to be counted, and to compare with -----------------------------

# Into files: of a part of a pipe, or of the words of a loop, nobody would learn that it has failed.
"$program" --toolchain >"$folder/toolchain" || die "$program does not tell its toolchain"
valgrind --version >>"$folder/toolchain" || die 'valgrind does not tell its version'
uname -m >>"$folder/toolchain"
"$program" --list >"$folder/list" || die "$program does not tell its paths"
[ -s "$folder/list" ] || die "$program knows no path"

# of_this_build <file>: without what is kept of QUIC, where QUIC is not built.
if grep -qx 'QUIC: none' "$folder/toolchain"; then
  [ "$keep" != --keep ] || die 'without QUIC not all of them would be kept'
  of_this_build() { sed '/^quic/d; /^\(# \)\{0,1\}QUIC: /d' "$1"; }
else
  of_this_build() { cat "$1"; }
fi

of_this_build "$folder/toolchain" | sed 's/^/# /' >"$folder/head"
if [ "$keep" != --keep ]; then
  of_this_build "$kept" >"$folder/kept"
  # Its first line is a title.
  sed '1d; /^#/!d' "$folder/kept" >"$folder/kept_head"
  sed '/^#/d' "$folder/kept" >"$folder/kept_counts"
  [ -s "$folder/kept_counts" ] || die "$kept holds no figures"
  if ! cmp -s "$folder/head" "$folder/kept_head"; then
    diff "$folder/kept_head" "$folder/head" >&2 || true
    echo "instructions.sh: $kept has figures of another toolchain: nothing is compared" >&2
    exit 77
  fi
fi

# -- counting ---------------------------------------------------------------------

# count_of <path>: instructions for each time.
count_of() {
  case $1 in
  *_64k) times=$large_times ;;
  *) times=$small_times ;;
  esac
  valgrind --tool=callgrind --toggle-collect=actorwire_bench_counted --callgrind-out-file="$folder/counted" \
    "$program" --path "$1" --times "$times" >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    die "$1: the program has failed"
  }
  count=$(sed -n 's/^totals: //p' "$folder/counted" | awk -v times="$times" '{ printf "%d\n", $1 / times }')
  case $count in
  '' | 0 | *[!0-9]*) die "$1: nothing was counted" ;;
  esac
  rm "$folder/counted"
  echo "$count"
}

: >"$folder/counts"
while read -r path; do
  count=$(count_of "$path")
  echo "$path $count" >>"$folder/counts"
done <"$folder/list"

if [ "$keep" = --keep ]; then
  {
    echo '# Instructions in user space that each path takes, both sides together; written by ./dev instructions --keep'
    cat "$folder/head" "$folder/counts"
  } >"$kept"
  cat "$folder/counts"
  exit
fi

# -- comparing --------------------------------------------------------------------

status=0
complain() {
  echo "  $*"
  status=1
}

while read -r path count; do
  before=$(awk -v path="$path" '$1 == path { print $2 }' "$folder/kept_counts")
  if [ -z "$before" ]; then
    echo "$path: $count instructions"
    complain 'none kept'
    continue
  fi
  change=$(awk -v now="$count" -v before="$before" 'BEGIN { printf "%+.1f", 100 * (now / before - 1) }')
  echo "$path: $count instructions, kept $before ($change %)"
  case $(awk -v change="$change" -v most="$tolerance" 'BEGIN { print (change > most) - (change < -most) }') in
  1) complain "more than $tolerance % above what was kept" ;;
  -1) complain "more than $tolerance % below what was kept: so much could be lost again, and nobody would see it" ;;
  esac
done <"$folder/counts"
while read -r path before; do
  grep -q "^$path " "$folder/counts" || {
    echo "$path: kept $before instructions"
    complain 'not counted'
  }
done <"$folder/kept_counts"
[ $status = 0 ] || echo 'instructions.sh: if it has to be, ./dev instructions --keep, and say in the commit why' >&2
exit $status
