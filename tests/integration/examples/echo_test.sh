#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=support.sh
. "$(dirname "$0")/support.sh"

start_server server "$bin/echo_server" tcp://127.0.0.1:0
server=$process
expect_status 0 "$bin/echo_client" "tcp://127.0.0.1:$port" hello 'two words' ''
[[ $(cat output.log) == $'hello\ntwo words' ]] || fail 'the lines did not come back as they were'
wait_until 'the server saw the client go' grep -q '^connection .* ended' server.log

# It ends when it is asked to, in order.
kill -TERM "$server"
wait "$server" || fail "the server ended with $?"
grep -q '^drained: ' server.log || fail 'no report'

# Also while a client is there, which hears of the end, and finds nobody any more: by then the server owes nothing.
start_server server "$bin/echo_server" tcp://127.0.0.1:0
server=$process
exec {client}<>"/dev/tcp/127.0.0.1/$port"
echo hello >&"$client"
IFS= read -r line <&"$client"
[[ $line == hello ]] || fail "hello came back as $line"
kill -TERM "$server"
if IFS= read -r line <&"$client"; then fail "the server said $line"; fi
expect_status 1 "$bin/echo_client" "tcp://127.0.0.1:$port" hello
exec {client}>&-
wait "$server" || fail "the server ended with $?"
grep -q '^drained: 1 messages accepted, 1 delivered, 0 not sent, 0 maybe sent$' server.log || fail 'the report is wrong'

# A second signal does not wait for a client that stays.
start_server server "$bin/echo_server" tcp://127.0.0.1:0
server=$process
exec {client}<>"/dev/tcp/127.0.0.1/$port"
echo hello >&"$client"
IFS= read -r line <&"$client"
kill -INT "$server"
if IFS= read -r line <&"$client"; then fail "the server said $line"; fi
kill -TERM "$server"
status=0
wait "$server" || status=$?
((status == 128 + 15)) || fail "the server ended with $status after the second signal"
if grep -q '^drained: ' server.log; then fail 'it drained all the same'; fi
exec {client}>&-

start_server server "$bin/echo_server" tcp://127.0.0.1:0
kill -TERM "$process"
wait "$process" || fail "the server ended with $?"

expect_status 1 "$bin/echo_client" "tcp://127.0.0.1:$port" hello
expect_output 'nobody listens there'
expect_status 2 "$bin/echo_client" tcp://127.0.0.1:x hello
expect_output 'endpoint\.port'
expect_status 1 "$bin/echo_server" tcp://192.0.2.1:7000
expect_status 2 "$bin/echo_client"
