#!/bin/sh
# without.sh <QUIC or TLS> <project folder> <build folder> <cmake> <ctest> [cmake option...]: builds the library with
# ACTORWIRE_QUIC=OFF or ACTORWIRE_TLS=OFF, where every header of the libraries that then are not needed is an error, and its
# unit tests, the simulations, and those of real sockets that look at what is left; and runs these. The other integration
# tests, which go through several protocols, and the guide are built with all of them only.
# Without TLS there is the installed package besides, in which nobody may look for GnuTLS, and what users build with it.
set -eu
left_out=$1 source=$2 build=$3 cmake=$4 ctest=$5
shift 5

headers='ngtcp2/ngtcp2 ngtcp2/version ngtcp2/ngtcp2_crypto ngtcp2/ngtcp2_crypto_gnutls'
tests='tcp_contract_test tcp_transport_test refusal_test'
labels='^unit$|^messages$|^transports$|^actors$|^simulation$'
case $left_out in
QUIC)
  tests="$tests tls_contract_test"
  examples=OFF
  ;;
TLS)
  headers="$headers gnutls/gnutls gnutls/abstract gnutls/crypto gnutls/x509"
  tests="$tests examples/all"
  labels="$labels|^examples\$"
  examples=ON
  ;;
esac

# These stand before the headers of the system.
poison=$build/poison
mkdir -p "$poison/ngtcp2" "$poison/gnutls"
for header in $headers; do
  echo "#error \"$header.h is used although ACTORWIRE_$left_out is off\"" > "$poison/$header.h"
done

# Nobody debugs or measures this build, so it is the one that compiles fastest.
"$cmake" -S "$source" -B "$build" -G Ninja "$@" "-DACTORWIRE_$left_out=OFF" -DACTORWIRE_WERROR=ON -DBUILD_SHARED_LIBS=OFF \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O0 -g0' -DCMAKE_CXX_FLAGS="-I$poison" \
  "-DACTORWIRE_BUILD_EXAMPLES=$examples" -DACTORWIRE_BUILD_BENCHMARKS=OFF
# shellcheck disable=SC2086  # targets are words on purpose
"$cmake" --build "$build" --target tests/unit/all simulation_test $tests
# By label, since what is not built has none.
"$ctest" --test-dir "$build" -L "$labels" --no-tests=error --output-on-failure
[ "$left_out" = TLS ] || exit 0

prefix=$build/prefix
rm -rf "$prefix"
"$cmake" --install "$build" --prefix "$prefix" > "$build/installed"
ldd "$build/bin/echo_client" > "$build/loaded"
cat "$prefix"/lib*/pkgconfig/actorwire.pc "$prefix"/lib*/*/pkgconfig/actorwire.pc > "$build/required" 2>/dev/null || true
for list in loaded required; do
  [ -s "$build/$list" ] || { echo "without.sh: nothing is $list" >&2; exit 1; }
  if grep -iE 'gnutls|ngtcp2' "$build/$list" >&2; then
    echo "without.sh: this is $list although ACTORWIRE_TLS is off" >&2
    exit 1
  fi
done
# Whoever looked for them with pkg-config would not find them.
mkdir -p "$build/nothing"
PKG_CONFIG_LIBDIR=$build/nothing "$ctest" --build-and-test "$source/tests/package/consumer" "$build/consumer" \
  --build-generator Ninja --build-options "$@" "-DCMAKE_PREFIX_PATH=$prefix" --test-command consumer tcp://127.0.0.1:6379
