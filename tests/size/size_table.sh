#!/bin/sh
# size_table.sh <budget>: the table of sizes for the documentation.
# shellcheck disable=SC2016  # the back quotes are of the text
set -eu

# row <name> <text>
row() {
  awk -v name="$1" -v text="$2" '
    $1 == name { printf "| %s | %.0f KB | %.0f KB |\n", text, $2 / 1000, $3 / 1000 }' "$budget"
}

budget=$1
toolchain=$(sed -n '2s/^# //p' "$budget")
echo "| $toolchain | code (\`.text\`) | file, stripped |"
echo '|---|---|---|'
row client_tcp 'echo client, tcp only (`ACTORWIRE_TLS=OFF`)'
row client_tls 'echo client, tcp and tls (`ACTORWIRE_QUIC=OFF`)'
row client_quic 'echo client, tcp, tls and quic'
row libraries 'the three shared libraries, everything in them'
