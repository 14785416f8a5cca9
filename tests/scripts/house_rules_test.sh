#!/bin/sh
# house_rules_test.sh <house_rules.sh>: breaks each rule once in a made-up project and expects to be told where.
set -eu
rules=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put <file> <line>: a file whose second line is the given one.
put() {
  mkdir -p "$work/$(dirname "$1")"
  printf '#pragma once\n%s\n' "$2" > "$work/$1"
}

put messages/include/actorwire/messages/good.hpp '#include <string>'
put transports/src/edge/good.cpp '#include <boost/asio/io_context.hpp>'
put transports/src/edge/comment.cpp '// caf::actor is not for this folder'
put actors/src/good.cpp '#include <caf/actor.hpp>'
put actors/include/actorwire/actors/detail/good.hpp '#if ACTORWIRE_CAF_0_17'
put transports/src/engine/quic/udp_address.hpp '#include <sys/socket.h>'
put transports/src/edge/tls_store.cpp 'const auto now = std::time(nullptr);'
put transports/src/edge/deadline.cpp 'const auto left = run_time(0); object.time(nullptr); arm(clock::now());'
"$rules" "$work" || { echo 'FAILED: a clean project was refused'; exit 1; }

failures=0
# breach <file> <line>: this one line has to be refused, by file and line.
breach() {
  put "$1" "$2"
  if report=$("$rules" "$work"); then report='nothing'; fi
  case $report in
  "$1:2: "*) ;;
  *)
    printf 'FAILED: %s in %s\n  reported: %s\n' "$2" "$1" "$report"
    failures=1
    ;;
  esac
  rm "$work/$1"
}

breach messages/src/a.cpp '#include <actorwire/transports/transport.hpp>'
breach messages/src/b.cpp '#include <boost/asio.hpp>'
breach transports/src/edge/a.cpp '#include <actorwire/actors/connection.hpp>'
breach transports/src/edge/b.cpp 'void take(const caf::actor& who);'
breach transports/include/actorwire/transports/a.hpp '#include <boost/asio/io_context.hpp>'
breach actors/include/actorwire/actors/a.hpp '#include <gnutls/gnutls.h>'
breach actors/src/b.cpp '#if ACTORWIRE_CAF_0_17'
breach actors/include/actorwire/actors/b.hpp '#ifdef CAF_VERSION_MAJOR'
breach transports/src/engine/a.cpp '#include <sys/socket.h>'
breach transports/src/engine/quic/a.cpp '#include <netinet/in.h>'
breach transports/src/engine/b.cpp '#include <thread>'
breach transports/src/engine/c.cpp 'auto now = std::chrono::steady_clock::now();'
breach actors/src/d.cpp 'const auto due = std::chrono::system_clock::now() + delay;'
breach messages/src/d.cpp 'std::chrono::system_clock::time_point due;'
breach transports/src/edge/d.cpp 'const auto now = std::time(nullptr);'
breach transports/src/edge/quic/d.cpp 'clock_gettime(CLOCK_REALTIME, &now);'
breach actors/src/session/a.cpp '#include <caf/actor.hpp>'
breach actors/src/session/b.cpp '#include "channel/wire.hpp"'
breach actors/src/session/c.cpp 'auto now = std::chrono::steady_clock::now();'
breach actors/src/a.cpp '#include "support/virtual_clock.hpp"'

exit $failures
