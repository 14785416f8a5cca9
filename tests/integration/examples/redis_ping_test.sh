#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=support.sh
. "$(dirname "$0")/support.sh"

command -v redis-server >/dev/null || fail 'this test needs redis-server'

# Redis cannot take "any free port", so ports are tried until one is free.
redis_listens_or_ended() { grep -q 'Ready to accept connections' redis.log || ! kill -0 "$process" 2>/dev/null; }
for attempt in 1 2 3 4 5 6 7 8; do
  port=$((20000 + (RANDOM * 8 + attempt) % 12000))
  start redis redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work"
  wait_until 'redis listens' redis_listens_or_ended
  ! kill -0 "$process" 2>/dev/null || break
done

expect_status 0 "$bin/redis_ping" "tcp://127.0.0.1:$port"
expect_output '^PING: PONG$'
expect_output '^SET: OK$'
expect_output '^GET: hello from an actor$'
expect_output '^INFO: redis_version:[0-9]+\.'

# A server that does not answer, and somebody who does not want to wait for it.
redis=$process
kill -STOP "$redis"
start ping "$bin/redis_ping" "tcp://127.0.0.1:$port"
ping=$process
wait_until 'it is connected' grep -q '^connected to' ping.log
kill -TERM "$ping"
status=0
wait "$ping" || status=$?
((status == 1)) || fail "redis_ping ended with $status"
# It may be that it had not sent its request yet.
grep -qE '^drained: (1 messages accepted, 1|0 messages accepted, 0) delivered' ping.log || fail 'no report'
kill -CONT "$redis"

kill -TERM "$redis"
wait "$redis" || true
expect_status 1 "$bin/redis_ping" "tcp://127.0.0.1:$port"
expect_output 'nobody listens there'

# A server that speaks something else.
start_server echo "$bin/echo_server" tcp://127.0.0.1:0
expect_status 1 "$bin/redis_ping" "tcp://127.0.0.1:$port"
expect_output 'RESP'
expect_status 2 "$bin/redis_ping" redis://127.0.0.1
expect_status 2 "$bin/redis_ping" too many
