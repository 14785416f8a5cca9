#!/bin/sh
# Installs the packages that building and testing need, from Debian or a relative of it. Does nothing when nothing is
# missing, and changes nothing before it knows that it can finish.
#
#   scripts/install-dependencies.sh [build|demo|test|lint|fuzz]...    default: build test
#   scripts/install-dependencies.sh --print-backports            shows the apt source that it would add, adds nothing
#
# Debian 12 has Catch2 2 and an ngtcp2 from before 1.0, so there these two come from the release's own backports suite, on
# the mirror that apt uses already, with the libraries that they are made for. Nothing else is taken from it. ROOT is a folder to read instead of / (for the tests of this script).
# ACTORWIRE_NO_INSTALL=1 leaves everything to you.
set -eu

build_packages='g++ cmake ninja-build pkg-config ccache libcaf-dev libboost-dev libcli11-dev nettle-dev libgnutls28-dev'
build_packages="$build_packages libngtcp2-dev libngtcp2-crypto-gnutls-dev"
# certtool is in it.
demo_packages='gnutls-bin'
# libssl-dev is for the benchmark's rival alone: the library has nothing of OpenSSL. ngtcp2-client and ngtcp2-server hold
# gtlsclient and gtlsserver, which QUIC is tried against. The client that the documents show is in Python. valgrind counts
# instructions for the benchmarks, strace system calls.
test_packages='catch2 librapidcheck-dev ncat redis-server nginx gnutls-bin openssl libssl-dev ngtcp2-client ngtcp2-server iproute2'
test_packages="$test_packages python3 valgrind strace"
lint_packages='clang clang-format clang-tidy shellcheck'
# The second holds libFuzzer.
fuzz_packages='clang libclang-rt-dev'

# Packages of which not every version will do: the least that will, and the release whose own is older while its backports
# suite has one that will.
requirements='
  cmake                       3.25    -
  libcaf-dev                  0.17.6  -
  libboost-dev                1.74    -
  catch2                      3       bookworm
  libngtcp2-dev               1.11    bookworm
  libngtcp2-crypto-gnutls-dev 1.11    bookworm
  ngtcp2-client               1.11    bookworm
  ngtcp2-server               1.11    bookworm
'

apt_dir=${ROOT:-}/etc/apt
sudo=

say() { printf 'install-dependencies: %s\n' "$*" >&2; }

die() {
  say "$1"
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# least_of <package>: the version that it must at least have; nothing where any will do.
least_of() { printf '%s' "$requirements" | awk -v package="$1" '$1 == package { print $2 }'; }

# is_from_backports <package>: whether it comes from the backports suite on this machine.
is_from_backports() {
  [ "$distribution" = debian ] \
    && printf '%s' "$requirements" | awk -v package="$1" -v release="$codename" \
      '$1 == package && $3 == release { found = 1 } END { exit !found }'
}

# -- what is missing ------------------------------------------------------------

# is_installed <package>: in a version that will do.
is_installed() {
  # shellcheck disable=SC2016  # the format is for dpkg-query
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null) || return 1
  case $installed in
  'installed '*) ;;
  *) return 1 ;;
  esac
  least=$(least_of "$1")
  [ -z "$least" ] || dpkg --compare-versions "${installed#installed }" ge "$least"
}

missing_of() {
  for package in "$@"; do
    is_installed "$package" || printf '%s ' "$package"
  done
}

# -- apt sources ----------------------------------------------------------------

# Prints "URI suite signed-by" for each active source of binary packages; signed-by is "-" where none is named.
apt_sources() {
  for file in "$apt_dir"/sources.list "$apt_dir"/sources.list.d/*.list; do
    [ ! -f "$file" ] || one_line_sources "$file"
  done
  for file in "$apt_dir"/sources.list.d/*.sources; do
    [ ! -f "$file" ] || deb822_sources "$file"
  done
}

# deb [arch=amd64 signed-by=/path] URI suite component...
one_line_sources() {
  awk '
    $1 != "deb" { next }
    {
      sub(/[ \t]*#.*/, "")
      signed = "-"
      if (match($0, /\[[^]]*\]/)) {
        options = substr($0, RSTART + 1, RLENGTH - 2)
        $0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
        if (match(options, /signed-by=[^ \t]+/)) signed = substr(options, RSTART + 10, RLENGTH - 10)
      }
      print $2, $3, signed
    }' "$1"
}

# Stanzas of "Field: value", continued on indented lines, parted by empty lines. A comment does not end a stanza.
deb822_sources() {
  awk '
    function flush(   uri_list, suite_list, i, j, uri_count, suite_count) {
      if (field["types"] ~ /(^|[ \t])deb([ \t]|$)/ && tolower(field["enabled"]) !~ /no|false|off|0/) {
        # A key written into the stanza itself is no path that another file could name.
        signed = field["signed-by"] ~ /^[ \t]*\// ? field["signed-by"] : "-"
        gsub(/[ \t]/, "", signed)
        uri_count = split(field["uris"], uri_list, /[ \t]+/)
        suite_count = split(field["suites"], suite_list, /[ \t]+/)
        for (i = 1; i <= uri_count; i++)
          for (j = 1; j <= suite_count; j++)
            if (uri_list[i] != "" && suite_list[j] != "") print uri_list[i], suite_list[j], signed
      }
      delete field
      name = ""
    }
    /^#/ { next }
    /^[ \t]*$/ { flush(); next }
    /^[ \t]/ { if (name != "") field[name] = field[name] " " $0; next }
    {
      name = tolower($0)
      sub(/:.*/, "", name)
      value = $0
      sub(/^[^:]*:[ \t]*/, "", value)
      field[name] = value
    }
    END { flush() }' "$1"
}

has_source_of() { apt_sources | awk -v suite="$1" '$2 == suite { found = 1 } END { exit !found }'; }

# needs_backports <package>...: whether one of them comes from the backports suite, and apt has no source of it yet.
needs_backports() {
  for package in "$@"; do
    if is_from_backports "$package" && ! has_source_of "$codename-backports"; then return 0; fi
  done
  return 1
}

# Prints the apt source of the backports suite, made from the source of the release itself.
backports_source() {
  source=$(apt_sources | awk -v suite="$codename" '$2 == suite { print; exit }')
  [ -n "$source" ] || die "no active apt source for '$codename' below $apt_dir, so its mirror is unknown" \
    "Configure $codename-backports yourself and run this again."
  signed_by=${source##* }
  if [ "$signed_by" = - ]; then
    signed_by=/usr/share/keyrings/debian-archive-keyring.gpg
  fi
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "${source%% *}" "$codename-backports"
  if [ -f "${ROOT:-}$signed_by" ]; then
    printf 'Signed-By: %s\n' "$signed_by"
  fi
}

# -- installing -----------------------------------------------------------------

# The missing packages as apt is to be asked: from the backports suite those that the release has too old, and no other.
apt_names() {
  for package in $missing; do
    if is_from_backports "$package"; then
      package="$package/$codename-backports"
    fi
    printf '%s ' "$package"
  done
}

# Becoming root, or saying what to do by hand; before anything has changed.
become_root() {
  [ "$(id -u)" != 0 ] || return 0
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo=sudo
    return 0
  fi
  say 'packages are missing, and installing them needs root. Run this script as root, or by hand:'
  if [ -n "$backports" ]; then
    printf '  write to %s:\n' "$backports_file"
    printf '%s\n' "$backports" | sed 's/^/    /'
  fi >&2
  printf '  apt-get update\n  apt-get install %s\n' "$(apt_names)" >&2
  exit 1
}

# is_offered <package> <version>: at least that version, by any configured suite.
is_offered() {
  for version in $(apt-cache madison "$1" 2>/dev/null | awk -F'|' '{ gsub(/ /, "", $2); print $2 }'); do
    if dpkg --compare-versions "$version" ge "$2"; then return 0; fi
  done
  return 1
}

check_release_offers_all() {
  for package in $missing; do
    least=$(least_of "$package")
    if [ -n "$least" ] && ! is_offered "$package" "$least"; then
      die "${PRETTY_NAME:-this release} offers no $package >= $least; nothing was installed" \
        'Debian 12 and Debian 13 offer everything. Elsewhere install what these packages hold and' \
        "set ACTORWIRE_NO_INSTALL=1: $missing" \
        'QUIC alone needs those with ngtcp2 in their names: cmake -DACTORWIRE_QUIC=OFF builds without.'
    fi
  done
}

# A source that turned out useless would stand in the way of every later use of apt, so it goes again.
forget_backports() {
  [ -z "$added_file" ] || $sudo rm -f "$added_file"
}

install_missing() {
  if [ -n "$backports" ]; then
    say "adding $backports_file"
    added_file=$backports_file
    trap forget_backports EXIT
    printf '%s\n' "$backports" | $sudo tee "$backports_file" >/dev/null
  fi
  $sudo apt-get update -qq || die 'apt-get update failed; nothing was installed'
  check_release_offers_all
  added_file=
  say "installing $missing"
  # shellcheck disable=SC2046  # names are words on purpose
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(apt_names)
}

# -- main -----------------------------------------------------------------------

[ -z "${ACTORWIRE_NO_INSTALL:-}" ] || exit 0

[ $# -gt 0 ] || set -- build test
print_backports=
wanted=
for argument in "$@"; do
  case $argument in
  build) wanted="$wanted $build_packages" ;;
  demo) wanted="$wanted $demo_packages" ;;
  test) wanted="$wanted $test_packages" ;;
  lint) wanted="$wanted $lint_packages" ;;
  fuzz) wanted="$wanted $fuzz_packages" ;;
  --print-backports) print_backports=yes ;;
  *) die "unknown argument '$argument'" 'usage: install-dependencies.sh [build|demo|test|lint|fuzz]... | --print-backports' ;;
  esac
done

if [ -r "${ROOT:-}/etc/os-release" ]; then
  # shellcheck source=/dev/null
  . "${ROOT:-}/etc/os-release"
fi
codename=${VERSION_CODENAME:-}
distribution=${ID:-unknown}
backports_file=$apt_dir/sources.list.d/$codename-backports.sources

if [ -n "$print_backports" ]; then
  # shellcheck disable=SC2086  # lists are words on purpose
  ! needs_backports $build_packages $test_packages || backports_source
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  die "${PRETTY_NAME:-this system} has no apt, so nothing can be installed for you" \
    "Install what these Debian packages hold and set ACTORWIRE_NO_INSTALL=1:$wanted"
fi

# shellcheck disable=SC2086  # lists are words on purpose
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

backports=
# shellcheck disable=SC2086  # lists are words on purpose
! needs_backports $missing || backports=$(backports_source)
become_root
install_missing
