#!/bin/sh
# without_quic.sh <project folder> <build folder> <cmake> <ctest> [cmake option...]: builds the library with
# ACTORWIRE_QUIC=OFF, where every header of ngtcp2 is an error, and its unit tests, the simulations, and the contract of the
# transports that are left, over real sockets; and runs these. The other integration tests, which have QUIC among the
# protocols that they go through, and the documents are built with QUIC only.
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
"$cmake" --build "$build" --target tests/unit/all simulation_test tcp_contract_test tls_contract_test
# By label, since what is not built has none.
"$ctest" --test-dir "$build" -L '^unit$|^messages$|^transports$|^actors$|^simulation$' --no-tests=error --output-on-failure
