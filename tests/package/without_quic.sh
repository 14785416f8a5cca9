#!/bin/sh
# without_quic.sh <project folder> <build folder> <cmake> <ctest> [cmake option...]: builds the library and its unit tests
# with ACTORWIRE_QUIC=OFF, where every header of ngtcp2 is an error, and runs the tests.
set -eu
source=$1 build=$2 cmake=$3 ctest=$4
shift 4

# These stand before the headers of the system.
poison=$build/poison
mkdir -p "$poison/ngtcp2"
for header in ngtcp2 version ngtcp2_crypto ngtcp2_crypto_gnutls; do
  echo '#error "ngtcp2 is used although ACTORWIRE_QUIC is off"' > "$poison/ngtcp2/$header.h"
done

# Nobody debugs or measures this build, so it is the one that compiles fastest.
"$cmake" -S "$source" -B "$build" -G Ninja "$@" -DACTORWIRE_QUIC=OFF -DACTORWIRE_WERROR=ON -DBUILD_SHARED_LIBS=OFF \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O0 -g0' -DCMAKE_CXX_FLAGS="-I$poison" \
  -DACTORWIRE_BUILD_EXAMPLES=OFF -DACTORWIRE_BUILD_BENCHMARKS=OFF
"$cmake" --build "$build" --target tests/unit/all
"$ctest" --test-dir "$build" -L '^unit$|^messages$|^transports$|^actors$' --no-tests=error --output-on-failure
