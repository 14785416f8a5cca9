#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=support.sh
. "$(dirname "$0")/support.sh"

transfer=$bin/transfer
echo content >file
mkdir in

# -- bad arguments: status 2, and what is wrong by name ---------------------------

expect_status 0 "$transfer" --help
expect_output 'Exit status'
expect_status 0 "$transfer" send --help
expect_status 0 "$transfer" protocols
expect_output '^tcp$'
if [[ $ACTORWIRE_TLS == 1 ]]; then
  expect_output '^tls$'
else
  [[ $(<output.log) == tcp ]] || fail 'it names protocols that it does not know'
  # The connections have failed before the sender looks at them, or after: both end it.
  for _ in {1..20}; do
    expect_status 1 "$transfer" send file tls://127.0.0.1:1
    expect_output 'ACTORWIRE_TLS=OFF'
  done
  expect_status 2 "$transfer" receive in tls://127.0.0.1:0
  expect_output 'ACTORWIRE_TLS=OFF'
fi
expect_status 0 "$transfer" --version
expect_output '^transfer [0-9]+\.[0-9]+'
expect_status 2 "$transfer"
expect_status 2 "$transfer" send
expect_status 2 "$transfer" send no-such-file tcp://127.0.0.1:1
expect_output 'no-such-file: No such file'
expect_status 2 "$transfer" send in tcp://127.0.0.1:1
expect_output 'not a regular file'
expect_status 2 "$transfer" send file tcp://127.0.0.1:70000
expect_output 'endpoint\.port = "70000"'
expect_status 2 "$transfer" send file http://127.0.0.1:80
expect_output 'endpoint\.'
expect_status 2 "$transfer" send --chunk 2MiB file tcp://127.0.0.1:1
expect_output 'chunk'
expect_status 2 "$transfer" send --connections 0 file tcp://127.0.0.1:1
expect_output 'connections'
expect_status 2 "$transfer" receive no-such-folder tcp://127.0.0.1:0
expect_output 'no-such-folder: No such file'
expect_status 2 "$transfer" receive file tcp://127.0.0.1:0
expect_output 'Not a directory|Permission denied'
expect_status 2 "$transfer" receive in tcp://127.0.0.1:port
expect_output 'endpoint\.port = "port"'
# Root may write anywhere, so only others can try this one.
if (($(id -u) != 0)); then
  mkdir -m 555 locked
  expect_status 2 "$transfer" receive locked tcp://127.0.0.1:0
  expect_output 'cannot write to folder locked'
fi

# -- what goes wrong on the way: status 1 -----------------------------------------

start_server receiver "$transfer" receive in tcp://127.0.0.1:0
expect_status 1 "$transfer" receive in "tcp://127.0.0.1:$port"
expect_output 'another socket has this address and port'

# The receiver cannot store it; the sender is told why, but not where.
mkdir in/file.part
expect_status 1 "$transfer" send file "tcp://127.0.0.1:$port"
expect_output 'the receiver refuses: cannot store the file: Is a directory'
! grep -q "$work" output.log || fail "the sender was told the receiver's paths"
rmdir in/file.part

# Garbage harms nobody else.
exec {garbage}<>"/dev/tcp/127.0.0.1/$port"
printf '\0\0\0\4oops' >&"$garbage"
exec {impatient}<>"/dev/tcp/127.0.0.1/$port"
printf '\xff\xff\xff\xffoops' >&"$impatient"
wait_until 'the receiver refused it' grep -q '^refused: transfer protocol' receiver.log
expect_status 0 "$transfer" send file "tcp://127.0.0.1:$port"
cmp file in/file || fail 'the file is not what was sent'

# Nobody there.
kill -KILL "$process"
expect_status 1 "$transfer" send --attempts 2 file "tcp://127.0.0.1:$port"
expect_output 'refused'
