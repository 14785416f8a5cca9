#!/bin/sh
# first_program_test.sh <echo program> <first program>: the one serves on a free port, the other gets back what it sent.
set -eu
folder=$(mktemp -d)
mkfifo "$folder/input"
# The server makes it only when it has got its input, which may be after the first look.
: >"$folder/output"
"$1" <"$folder/input" >"$folder/output" &
server=$!
exec 3>"$folder/input"
trap 'exec 3>&-; wait "$server" || true; rm -rf "$folder"' EXIT

port=
until [ -n "$port" ]; do
  kill -0 "$server"
  port=$(sed -n 's/^listening on port //p' "$folder/output")
  [ -n "$port" ] || sleep 0.05
done
answer=$("$2" "tcp://127.0.0.1:$port")
[ "$answer" = "$(printf 'PING\r')" ] || { printf 'got: %s\n' "$answer" >&2; exit 1; }
