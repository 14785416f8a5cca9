#!/bin/sh
# house_rules.sh [project folder]: prints file:line of every include or name that breaks the house's order, and fails if
# there is one.
#   messages <- transports <- actors; CAF in actors only, and its versions in one private folder there; no socket library
#   in a public header; a pure engine; no timer that goes by the wall clock.
set -eu
cd "${1:-.}"

status=0

# forbid <reason> <extended regular expression> <file or folder>...: no source file there, or below, may match.
forbid() {
  reason=$1 pattern=$2
  shift 2
  for folder in "$@"; do
    [ -e "$folder" ] || continue
    # Comments may name what the code may not.
    found=$(grep -rHnE --include='*.hpp' --include='*.cpp' "$pattern" "$folder" | grep -vE '^[^:]+:[0-9]+: *//' || true)
    if [ -n "$found" ]; then
      printf '%s\n' "$found" | sed -E "s|^([^:]+:[0-9]+):.*|\1: $reason|"
      status=1
    fi
  done
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]'

forbid 'messages depend on the standard library only' \
  "${include}(actorwire/(transports|actors)/|caf/|boost/|ngtcp2/|gnutls/)" messages
forbid 'transports do not know actors' "${include}actorwire/actors/" transports
forbid 'only actors name CAF' "${include}caf/|[^[:alnum:]_]caf::" messages transports
forbid 'versions of CAF differ in actors/include/actorwire/actors/detail only' 'ACTORWIRE_CAF_0_17|CAF_VERSION' \
  messages transports actors/src actors/include/actorwire/actors/*.hpp examples
forbid 'public headers hide Boost, ngtcp2 and GnuTLS' "${include}(boost|ngtcp2|gnutls)/" \
  messages/include transports/include actors/include
forbid 'the engine has no socket, thread or lock' \
  "${include}(boost/|sys/(epoll|poll)|netdb\.h|poll\.h|thread>|mutex>|condition_variable>|future>)" \
  transports/src/engine
# ngtcp2 takes addresses in the form that sockets do. One file knows that form.
# shellcheck disable=SC2046  # file names are words on purpose
forbid 'the engine has no socket; addresses are in quic/udp_address.hpp' "${include}(sys/socket\.h|netinet/)" \
  $(find transports/src/engine -name '*.?pp' ! -name 'udp_address.*' 2>/dev/null)
forbid 'the engine is told the time, it does not ask' \
  '(steady|system|high_resolution)_clock::now|clock_gettime|gettimeofday' transports/src/engine
forbid 'sessions are pure' "${include}(caf/|boost/|actorwire/actors/|channel/|seam/|edge/|thread>|mutex>|random>)" \
  actors/src/session
forbid 'sessions are told the time, they do not ask' '(steady|system|high_resolution)_clock::now' actors/src/session
# Certificates, tokens and what is played again are judged by the time that they name; a file is named by it. Whatever waits
# goes by the monotonic clock, so that nothing happens when somebody sets the other one.
# shellcheck disable=SC2046  # file names are words on purpose
forbid 'the wall clock judges certificates, tokens and replays only' \
  '(system|utc|high_resolution)_clock|gettimeofday|CLOCK_REALTIME|timespec_get|(^|[^[:alnum:]_.>])time\((nullptr|NULL|0|&)' \
  messages actors examples \
  $(find transports -name '*.?pp' ! -path '*/engine/wall_time.cpp' ! -path '*/engine/quic/anti_replay_store.hpp' \
    ! -path '*/engine/quic/quic_endpoint.?pp' ! -path '*/engine/quic/stranger_answers.cpp' \
    ! -path '*/engine/quic/quic_tokens.hpp' ! -path '*/edge/tls_store.cpp' \
    ! -path '*/edge/tls_transport.cpp' ! -path '*/edge/quic/quic_socket.cpp' ! -path '*/edge/quic/qlog_file.cpp' \
    ! -path '*/edge/quic/early_data_guard.hpp' 2>/dev/null)
forbid 'nothing sees the tests' "${include}(tests|support)/" messages transports actors

exit $status
