#!/bin/sh
# pkg_config.sh <libdir> <source> <program> <compiler> [flag...]: builds a program by the flags of actorwire.pc alone and
# runs it.
set -eu
libdir=$1 source=$2 program=$3 compiler=$4
shift 4

export PKG_CONFIG_PATH="$libdir/pkgconfig"
# shellcheck disable=SC2046  # the flags are words on purpose
"$compiler" -std=c++20 "$@" -o "$program" "$source" $(pkg-config --cflags --libs actorwire)
LD_LIBRARY_PATH="$libdir" "$program" tcp://127.0.0.1:6379 | grep -Fx '127.0.0.1 6379'
