#!/usr/bin/env bash
# A file of 24 MB, a receiver that is killed in the middle of it and started again, a sender to which the same happens.
# shellcheck source-path=SCRIPTDIR source=support.sh
. "$(dirname "$0")/support.sh"

head -c 24000000 /dev/urandom >data
mkdir in

same_content() { [[ $(sha256sum <"$1") == "$(sha256sum <"$2")" ]] || fail "$1 and $2 differ"; }

# stored_bytes <at least>: whether the sender's events say that as much is stored.
stored_bytes() {
  local last
  last=$(grep -o '"stored_bytes":[0-9]*' sender.log | tail -n1) || return 1
  ((${last#*:} >= $1))
}

# -- the receiver dies ------------------------------------------------------------

start_server receiver "$bin/transfer" receive in tcp://127.0.0.1:0
receiver=$process
start sender "$bin/transfer" send --quiet --json --rate 12MB data "tcp://127.0.0.1:$port"
sender=$process
wait_until 'a third is stored' stored_bytes 8000000
kill -KILL "$receiver"
wait_until 'the sender noticed' grep -q '"event":"waiting"' sender.log
[[ ! -e in/data ]] || fail 'half a file has the name of a whole one'
start_server receiver "$bin/transfer" receive in "tcp://127.0.0.1:$port"
receiver=$process
wait "$sender" || fail "the sender ended with $?"
same_content data in/data
grep -qE '[1-9][0-9]* of 92 chunks were here already' receiver.log || fail 'the receiver began anew'
grep -q '"event":"finished","ok":true' sender.log || fail 'no summary'
[[ $(ls in) == data ]] || fail 'something was left beside the file'

# -- the sender dies --------------------------------------------------------------

head -c 24000000 /dev/urandom >data
start sender "$bin/transfer" send --quiet --json --rate 12MB data "tcp://127.0.0.1:$port"
sender=$process
wait_until 'a third is stored' stored_bytes 8000000
kill -KILL "$sender"
expect_status 0 "$bin/transfer" send --connections 2 data "tcp://127.0.0.1:$port"
expect_output 'were there already'
expect_output 'they agree'
same_content data in/data

# -- either is asked to end ----------------------------------------------------------

head -c 24000000 /dev/urandom >data
start sender "$bin/transfer" send --quiet --json --rate 5MB data "tcp://127.0.0.1:$port"
sender=$process
wait_until 'a sixth is stored' stored_bytes 4000000
kill -TERM "$receiver"
wait "$receiver" || fail "the receiver ended with $?"
grep -q '^drained: [1-9][0-9]* messages accepted, [1-9]' receiver.log || fail 'the receiver reports nothing'
wait_until 'the sender noticed' grep -q '"event":"waiting"' sender.log
start_server receiver "$bin/transfer" receive in "tcp://127.0.0.1:$port"
receiver=$process
wait_until 'a third is stored' stored_bytes 8000000
kill -INT "$sender"
status=0
wait "$sender" || status=$?
((status == 1)) || fail "the sender that was interrupted ended with $status"
grep -q '^drained: [1-9][0-9]* messages accepted, [1-9]' sender.log || fail 'the sender reports nothing'
grep -q 'interrupted; start it again to go on' sender.log || fail 'the sender does not say that it was interrupted'
expect_status 0 "$bin/transfer" send --connections 2 data "tcp://127.0.0.1:$port"
expect_output 'were there already'
same_content data in/data

# -- small and odd files ----------------------------------------------------------

: >empty
head -c 4097 /dev/urandom >'a name with spaces'
for name in empty 'a name with spaces' data; do # the last is there already
  expect_status 0 "$bin/transfer" send --chunk 4KiB --connections 1 "$name" "tcp://127.0.0.1:$port"
  same_content "$name" "in/$name"
done

# Asked to end, the receiver ends in order.
kill -TERM "$receiver"
wait "$receiver" || fail "the receiver ended with $?"
