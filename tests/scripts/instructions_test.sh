#!/bin/sh
# instructions_test.sh <instructions.sh>: has it count made-up programs with a made-up valgrind, and looks at what it takes
# for the same, for a change, and for no count at all.
# shellcheck disable=SC2016  # bodies of fakes expand when a fake runs
set -eu
guard=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

mkdir "$work/bin"
fake() {
  printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
PATH=$work/bin:$PATH
export work

# Of the program's words: --path NAME --times N. What a path takes for each time stands in $work/taken.
working_valgrind='
[ "$1" != --version ] || { echo valgrind-1; exit; }
echo called >>"$work/calls"
for word; do
  case $word in --callgrind-out-file=*) out=${word#*=} ;; esac
  case ${last:-} in --path) path=$word ;; --times) times=$word ;; esac
  last=$word
done
awk -v path="$path" -v times="$times" "\$1 == path { print \"totals: \" \$2 * times }" "$work/taken" >"$out"'
working_program='
case $1 in
--toolchain) cat "$work/toolchain" ;;
--list) cat "$work/paths" ;;
esac'

# begin <what>: everything works, and is as it was kept.
begin() {
  name=$1
  fake valgrind "$working_valgrind"
  fake program "$working_program"
  printf 'compiler: made up\nQUIC: some\n' >"$work/toolchain"
  printf '%s\n' tcp quic quic_64k >"$work/paths"
  printf '%s\n' 'tcp 1000' 'quic 2000' 'quic_64k 3000' >"$work/taken"
  : >"$work/calls"
  "$guard" "$work/bin/program" "$work/kept" --keep >"$work/report" 2>&1 || cat "$work/report"
  : >"$work/calls"
}

# expect <exit status> <words of the report>
expect() {
  status=0
  "$guard" "$work/bin/program" "$work/kept" >"$work/report" 2>&1 || status=$?
  if [ "$status" != "$1" ] || ! grep -qF -e "$2" "$work/report"; then
    printf 'FAILED: %s: exit status %s, wanted %s and "%s"\n' "$name" "$status" "$1" "$2"
    sed 's/^/  /' "$work/report"
    failures=1
  fi
}

begin 'nothing has changed'
expect 0 'tcp: 1000 instructions, kept 1000 (+0.0 %)'
[ "$(wc -l <"$work/calls")" = 3 ] || { echo "FAILED: $name: not all paths were counted"; failures=1; }

begin 'a path takes 5 % more'
sed -i 's/^tcp .*/tcp 1050/' "$work/taken"
expect 0 '(+5.0 %)'

begin 'a path takes more'
sed -i 's/^tcp .*/tcp 1060/' "$work/taken"
expect 1 'more than 5 % above what was kept'

begin 'a path takes less'
sed -i 's/^quic_64k .*/quic_64k 2800/' "$work/taken"
expect 1 'more than 5 % below what was kept'

begin 'a path takes nothing'
sed -i 's/^tcp .*/tcp 0/' "$work/taken"
expect 1 'tcp: nothing was counted'

begin 'there is no total'
sed -i '/^quic /d' "$work/taken"
expect 1 'quic: nothing was counted'

begin 'the program crashes'
fake valgrind '[ "$1" != --version ] || { echo valgrind-1; exit; }
echo how it crashed; exit 139'
expect 1 'how it crashed'

begin 'valgrind does not start'
fake valgrind 'exit 127'
expect 1 'valgrind does not tell its version'

begin 'the program does not tell its toolchain'
fake program 'echo compiler: made up; exit 3'
expect 1 'does not tell its toolchain'

begin 'the program does not list its paths to the end'
fake program "$working_program"'
[ "$1" != --list ] || exit 4'
expect 1 'does not tell its paths'

begin 'a path is gone'
sed -i '/^tcp$/d' "$work/paths"
expect 1 'not counted'

begin 'all paths are gone'
: >"$work/paths"
expect 1 'knows no path'

begin 'a path is new'
echo tls >>"$work/paths"
echo tls 1 >>"$work/taken"
expect 1 'none kept'

begin 'another toolchain'
sed -i 's/made up/another one/' "$work/toolchain"
sed -i 's/^tcp .*/tcp 9000/' "$work/taken"
expect 77 'nothing is compared'
[ ! -s "$work/calls" ] || { echo "FAILED: $name: it was counted all the same"; failures=1; }

begin 'another valgrind'
sed -i 's/valgrind-1/valgrind-2/' "$work/bin/valgrind"
expect 77 'nothing is compared'

begin 'no QUIC in this build'
printf 'compiler: made up\nQUIC: none\n' >"$work/toolchain"
echo tcp >"$work/paths"
expect 0 'tcp: 1000 instructions'
: >"$work/paths"
echo tls >"$work/paths"
echo tls 1000 >>"$work/taken"
expect 1 'not counted'
if "$guard" "$work/bin/program" "$work/kept" --keep >"$work/report" 2>&1; then
  echo "FAILED: $name: figures were kept without those of QUIC"
  failures=1
fi

begin 'nothing was ever kept'
: >"$work/kept"
expect 1 'holds no figures'
rm "$work/kept"
expect 1 'kept'

[ "$failures" = 0 ] || exit 1
echo 'counts, and what is none, are told apart'
