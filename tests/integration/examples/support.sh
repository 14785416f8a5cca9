# shellcheck shell=bash disable=SC2034  # the variables are for those who source it
# For the tests of the examples; they source it. Each gets a folder of its own, and no process outlives it.
set -euo pipefail

bin=${ACTORWIRE_BIN_DIR:?where the programs are}
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=$(mktemp -d)
started=()
clean_up() {
  for process in "${started[@]}"; do
    kill -KILL "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT
cd "$work"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  for log in "$work"/*.log; do
    [[ ! -f $log ]] || { printf -- '-- %s\n' "${log##*/}" && cat "$log"; } >&2
  done
  exit 1
}

# wait_until <what> <command...>: asks again and again until the command succeeds, at most 20 seconds long.
wait_until() {
  local what=$1 end=$((SECONDS + 20))
  shift
  until "$@"; do
    ((SECONDS < end)) || fail "waited in vain until $what"
    sleep 0.02
  done
}

# start <name> <command...>: in the background; its output goes to <name>.log, its process id to `process`.
start() {
  local name=$1
  shift
  : >"$name.log" # what an earlier process of that name said is over
  "$@" >"$name.log" 2>&1 &
  process=$!
  started+=("$process")
}

# start_server <name> <command...>: a program that says "listening on port N"; sets `port`, too.
start_server() {
  start "$@"
  wait_until "$1 listens" grep -q '^listening on port' "$1.log"
  port=$(sed -n 's/^listening on port //p' "$1.log")
}

# expect_status <status> <command...>: the command's output goes to output.log.
expect_status() {
  local wanted=$1 status=0
  shift
  timeout 60 "$@" >output.log 2>&1 || status=$?
  ((status == wanted)) || fail "$* ended with $status, not $wanted"
}

# expect_output <regular expression>: in output.log.
expect_output() { grep -qE -- "$1" output.log || fail "the output does not match: $1"; }
