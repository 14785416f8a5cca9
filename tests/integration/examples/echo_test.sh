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

expect_status 1 "$bin/echo_client" "tcp://127.0.0.1:$port" hello
expect_output 'nobody listens there'
expect_status 2 "$bin/echo_client" tcp://127.0.0.1:x hello
expect_output 'endpoint\.port'
expect_status 1 "$bin/echo_server" tcp://192.0.2.1:7000
expect_status 2 "$bin/echo_client"
