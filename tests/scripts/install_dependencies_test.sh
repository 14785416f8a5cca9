#!/bin/sh
# install_dependencies_test.sh <installer>: checks what the installer would do on made-up machines. Each machine is a
# folder with the files that the installer reads; programs it would call are replaced by ones that write down the call.
# shellcheck disable=SC2016  # bodies of fakes expand when a fake runs
set -eu
installer=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# machine <name> <id> <codename>: starts a made-up machine and makes it the current one.
machine() {
  name=$1
  ROOT=$work/$1
  export ROOT
  mkdir -p "$ROOT/etc/apt/sources.list.d" "$ROOT/usr/share/keyrings"
  : > "$ROOT/usr/share/keyrings/debian-archive-keyring.gpg"
  printf 'ID=%s\nVERSION_CODENAME=%s\nPRETTY_NAME="made-up %s"\n' "$2" "$3" "$3" > "$ROOT/etc/os-release"
}

# expect <what> <wanted> <got>
expect() {
  [ "$2" != "$3" ] || return 0
  printf 'FAILED: %s: %s\n  wanted: %s\n  got:    %s\n' "$name" "$1" "$2" "$3"
  failures=$((failures + 1))
}

# backports: what the installer would add, on one line.
backports() { "$installer" --print-backports | tr '\n' '|'; }

# stanza <uri> [signed-by]: a backports source of bookworm, on one line.
stanza() {
  printf 'Types: deb|URIs: %s|Suites: bookworm-backports|Components: main|' "$1"
  [ $# = 1 ] || printf 'Signed-By: %s|' "$2"
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# -- where the mirror is found ----------------------------------------------------

machine one_line_list debian bookworm
cat > "$ROOT/etc/apt/sources.list" <<'END'
# deb http://old.example.org/debian bookworm main
deb-src http://source.example.org/debian bookworm main
deb http://mirror.example.org/debian bookworm main contrib
deb http://mirror.example.org/debian-security bookworm-security main
END
expect 'mirror of the release' "$(stanza http://mirror.example.org/debian $keyring)" "$(backports)"

machine signed_by_option debian bookworm
mkdir -p "$ROOT/keys"
: > "$ROOT/keys/mirror.gpg"
printf 'deb [ arch=amd64 signed-by=/keys/mirror.gpg ] http://mirror.example.org/debian bookworm main # ours\n' \
  > "$ROOT/etc/apt/sources.list.d/mirror.list"
expect 'key of the mirror' "$(stanza http://mirror.example.org/debian /keys/mirror.gpg)" "$(backports)"

machine deb822_with_comments debian bookworm
cat > "$ROOT/etc/apt/sources.list.d/debian.sources" <<END
Types: deb
# http://old.example.org/archive/debian
URIs: http://mirror.example.org/debian
Suites: bookworm-updates
# bookworm-proposed-updates
 bookworm
Components: main
Signed-By: $keyring

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
END
expect 'mirror of the release' "$(stanza http://mirror.example.org/debian $keyring)" "$(backports)"

machine disabled_stanza debian bookworm
cat > "$ROOT/etc/apt/sources.list.d/debian.sources" <<'END'
Enabled: no
Types: deb
URIs: http://disabled.example.org/debian
Suites: bookworm bookworm-backports
Components: main

Types: deb deb-src
URIs: http://mirror.example.org/debian
Suites: bookworm
Components: main
END
expect 'the active mirror' "$(stanza http://mirror.example.org/debian $keyring)" "$(backports)"

machine other_vendor_beside_debian debian bookworm
printf 'deb https://packages.example.com/apt tools-bookworm main\n' > "$ROOT/etc/apt/sources.list.d/a-vendor.list"
printf 'deb http://mirror.example.org/debian bookworm main\n' > "$ROOT/etc/apt/sources.list"
expect 'the mirror, not the vendor' "$(stanza http://mirror.example.org/debian $keyring)" "$(backports)"

machine backports_already_there debian bookworm
printf 'deb http://mirror.example.org/debian %s main\n' bookworm bookworm-backports > "$ROOT/etc/apt/sources.list"
expect 'nothing to add' '' "$(backports)"

machine trixie debian trixie
printf 'Types: deb\nURIs: http://mirror.example.org/debian\nSuites: trixie\nComponents: main\n' \
  > "$ROOT/etc/apt/sources.list.d/debian.sources"
expect 'nothing to add' '' "$(backports)"

machine no_source_at_all debian bookworm
if message=$("$installer" --print-backports 2>&1); then expect 'exit status' failure success; fi
case $message in
*"no active apt source for 'bookworm'"*) ;;
*) expect 'message' 'no active apt source' "$message" ;;
esac

# -- what is run, in which order, and what is left behind ----------------------------

# fake <program> <body>: a program that appends its call to $work/calls and then does as told.
mkdir -p "$work/bin"
fake() {
  printf '#!/bin/sh\necho "%s $*" >> "%s/calls"\n%s\n' "$1" "$work" "$2" > "$work/bin/$1"
  chmod +x "$work/bin/$1"
}

# run: runs the installer on the current machine with the fakes in front; keeps output and exit status.
run() {
  : > "$work/calls"
  status=0
  output=$(PATH="$work/bin:$PATH" "$installer" "$@" 2>&1) || status=$?
  apt_calls=$(grep '^apt-get' "$work/calls" || true)
}

bookworm_machine() {
  machine "$1" debian bookworm
  printf 'deb http://mirror.example.org/debian bookworm main\n' > "$ROOT/etc/apt/sources.list"
}

added() { ls "$ROOT/etc/apt/sources.list.d"; }

fake id 'echo 0'
fake apt-get ''
fake apt-cache 'echo " $2 | 99.0 | made up"'

bookworm_machine nothing_missing
fake dpkg-query 'echo "installed 99.0"'
run build demo test lint fuzz
expect 'exit status' 0 "$status"
expect 'apt is not asked' '' "$apt_calls"
expect 'no source added' '' "$(added)"

bookworm_machine old_catch2
fake dpkg-query 'for last; do :; done; case $last in catch2) echo "installed 2.13.10-1" ;; *) echo "installed 99.0" ;; esac'
run build test
expect 'exit status' 0 "$status"
expect 'Catch2, and only that, from backports' \
  'apt-get install -y --no-install-recommends catch2/bookworm-backports' "$(printf '%s' "$apt_calls" | tail -n1)"
expect 'source added' 'bookworm-backports.sources' "$(added)"

bookworm_machine old_ngtcp2
fake dpkg-query 'for last; do :; done; case $last in *ngtcp2*) echo "installed 0.12.1+dfsg-1" ;; *) echo "installed 99.0" ;; esac'
run build
expect 'exit status' 0 "$status"
expect 'ngtcp2, and only that, from backports' \
  'apt-get install -y --no-install-recommends libngtcp2-dev/bookworm-backports libngtcp2-crypto-gnutls-dev/bookworm-backports' \
  "$(printf '%s' "$apt_calls" | tail -n1)"
expect 'source added' 'bookworm-backports.sources' "$(added)"
run test
expect 'its programs too' \
  'apt-get install -y --no-install-recommends ngtcp2-client/bookworm-backports ngtcp2-server/bookworm-backports' \
  "$(printf '%s' "$apt_calls" | tail -n1)"

bookworm_machine new_ngtcp2
fake dpkg-query 'for last; do :; done; case $last in *ngtcp2*) echo "installed 1.11.0-1~bpo12+1" ;; *) echo "installed 99.0" ;; esac'
run build test
expect 'apt is not asked' '' "$apt_calls"

bookworm_machine old_cmake
fake dpkg-query 'for last; do :; done; case $last in cmake) echo "installed 3.18.4-2" ;; *) echo "installed 99.0" ;; esac'
run build
expect 'what is too old is asked for again, from the release' \
  'apt-get install -y --no-install-recommends cmake' "$(printf '%s' "$apt_calls" | tail -n1)"
expect 'no source added' '' "$(added)"

bookworm_machine lint_needs_no_backports
fake dpkg-query 'exit 1'
run lint
expect 'exit status' 0 "$status"
expect 'no source added' '' "$(added)"

machine trixie_has_all debian trixie
printf 'deb http://mirror.example.org/debian trixie main\n' > "$ROOT/etc/apt/sources.list"
fake dpkg-query 'for last; do :; done; case $last in catch2 | *ngtcp2*) exit 1 ;; *) echo "installed 99.0" ;; esac'
run build test
expect 'all from the release' \
  'apt-get install -y --no-install-recommends libngtcp2-dev libngtcp2-crypto-gnutls-dev catch2 ngtcp2-client ngtcp2-server' \
  "$(printf '%s' "$apt_calls" | tail -n1)"
expect 'no source added' '' "$(added)"

bookworm_machine tls_is_gnutls
fake dpkg-query 'for last; do :; done; case $last in *ngtcp2*) echo "installed 99.0" ;; *gnutls* | *ssl*) exit 1 ;; *) echo "installed 99.0" ;; esac'
run build
expect 'a build needs GnuTLS and nothing of OpenSSL' \
  'apt-get install -y --no-install-recommends libgnutls28-dev' "$(printf '%s' "$apt_calls" | tail -n1)"
run test
expect 'tests meet programs of both' \
  'apt-get install -y --no-install-recommends gnutls-bin openssl libssl-dev' "$(printf '%s' "$apt_calls" | tail -n1)"

bookworm_machine nothing_counts
fake dpkg-query 'for last; do :; done; case $last in valgrind | strace) exit 1 ;; *) echo "installed 99.0" ;; esac'
run build
expect 'a build counts nothing' '' "$apt_calls"
run test
expect 'tests count instructions and system calls' \
  'apt-get install -y --no-install-recommends valgrind strace' "$(printf '%s' "$apt_calls" | tail -n1)"

bookworm_machine update_fails
fake dpkg-query 'exit 1'
fake apt-get '[ "$1" != update ]'
run build test
expect 'exit status' 1 "$status"
expect 'nothing installed' 'apt-get update -qq' "$apt_calls"
expect 'source taken back' '' "$(added)"

machine release_too_old ubuntu jammy
fake apt-get ''
fake apt-cache 'echo " $2 | 2.13.8-1 | made up"'
run build test
expect 'exit status' 1 "$status"
expect 'nothing installed' 'apt-get update -qq' "$apt_calls"
case $output in
*'made-up jammy offers no cmake >= 3.25'*) ;;
*) expect 'message' 'offers no cmake >= 3.25' "$output" ;;
esac

machine ngtcp2_too_old ubuntu noble
fake dpkg-query 'for last; do :; done; case $last in *ngtcp2*) exit 1 ;; *) echo "installed 99.0" ;; esac'
fake apt-cache 'echo " $2 | 0.12.1+dfsg-1 | made up"'
run build
expect 'exit status' 1 "$status"
case $output in
*'made-up noble offers no libngtcp2-dev >= 1.11'*'-DACTORWIRE_QUIC=OFF'*) ;;
*) expect 'message' 'offers no libngtcp2-dev, and how to build without' "$output" ;;
esac

bookworm_machine no_root
fake dpkg-query 'exit 1'
fake id 'echo 1000'
fake sudo 'exit 1'
run build test < /dev/null
expect 'exit status' 1 "$status"
expect 'apt is not asked' '' "$apt_calls"
expect 'no source added' '' "$(added)"
for word in "$ROOT/etc/apt/sources.list.d/bookworm-backports.sources" 'apt-get install' libcaf-dev \
  catch2/bookworm-backports libngtcp2-dev/bookworm-backports; do
  case $output in *"$word"*) ;; *) expect 'message names' "$word" "$output" ;; esac
done

bookworm_machine told_not_to_install
ACTORWIRE_NO_INSTALL=1 run build test
expect 'exit status' 0 "$status"
expect 'apt is not asked' '' "$apt_calls"

[ "$failures" = 0 ] || exit 1
echo 'every made-up machine was treated right'
