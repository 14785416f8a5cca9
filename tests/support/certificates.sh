#!/bin/sh
# certificates.sh <folder>: makes a small world of certificates there, for tests of TLS. Does nothing when that world is
# there already. Needs certtool, and no network.
#
#   <name>.pem    a certificate, followed by that of the intermediate authority; <name>.key is its key
#   <name>.pin    SHA-256 of its SubjectPublicKeyInfo, base64 (RFC 7469, 2.4); of the good servers only
#
#   root, intermediate                authorities, a certificate each; root.pem is what good sides trust
#   server-ec, server-rsa, server-ed25519
#                                     good servers: localhost, 127.0.0.1, ::1
#   renewed                           as server-ec, a year later: another key
#   encrypted                         as server-ec; the key is PKCS #8, encrypted with the line in encrypted.password
#   expired, not-yet-valid            as server-ec, but for their time
#   client-usage                      as server-ec, but made for clients only (extended key usage)
#   weak                              as server-rsa, but with a key of 1024 bits
#   no-signing                        as server-rsa, but its key must not sign (key usage)
#   other-host                        as server-ec, but for other-host.test
#   self-signed                       as server-ec, but without any authority
#   revoked                           as server-ec, but listed in intermediate.crl
#   mismatched                        the certificate of server-ec with the key of another
#   client-a, client-b                good clients: client-a.test, client-b.test
#   client-common-name                as client-a, but the name stands in the subject (CN) alone
#   client-expired                    as client-a, but for its time
#   foreign-root                      an authority that nobody trusts
#   foreign-server, foreign-client    as server-ec and client-a, but of that authority
#   outdated.crl                      as intermediate.crl, but its next update was due long ago
#   foreign.crl                       as intermediate.crl, but of foreign-root
#
# Everything is good from 2020 to 2090, whatever the clock says now; what expired did so in 2011, what is not yet valid
# will be in 2085.
set -eu

parent=$(dirname "${1:?the folder to make}")
mkdir -p "$parent"
folder=$(cd "$parent" && pwd)/$(basename "$1")
script=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
password='between us'

command -v certtool >/dev/null || {
  echo 'certificates.sh: certtool is missing; Debian has it in gnutls-bin' >&2
  exit 1
}

# A world that this very script has finished is left alone: other tests may be reading it.
is_made() { cmp -s "$script" "$folder/made-by"; }
! is_made || exit 0

work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# quietly <command...>: certtool talks about everything that it does; only what it says about a failure is of use.
quietly() {
  "$@" > log 2>&1 || {
    cat log >&2
    return 1
  }
}

# make_key <name> [ec|rsa|weak|ed25519]
make_key() {
  case ${2:-ec} in
  ec) quietly certtool --generate-privkey --key-type ecdsa --curve secp256r1 --no-text --outfile "$1.key" ;;
  rsa) quietly certtool --generate-privkey --key-type rsa --bits 2048 --no-text --outfile "$1.key" ;;
  weak) quietly certtool --generate-privkey --key-type rsa --bits 1024 --no-text --outfile "$1.key" ;;
  ed25519) quietly certtool --generate-privkey --key-type ed25519 --no-text --outfile "$1.key" ;;
  esac
}

# validity [first year] [last year]
validity() {
  printf 'activation_date = "%s-01-01 00:00:00 UTC"\nexpiration_date = "%s-01-01 00:00:00 UTC"\n' "${1:-2020}" "${2:-2090}"
}

# names <DNS name>: and the loopback addresses, for localhost.
names() {
  printf 'cn = "%s"\ndns_name = "%s"\n' "$1" "$1"
  [ "$1" != localhost ] || printf 'ip_address = "127.0.0.1"\nip_address = "::1"\n'
}

server() { printf 'signing_key\ntls_www_server\n'; }
client() { printf 'signing_key\ntls_www_client\n'; }

# The template is always on standard input.

# self_signed <name>
self_signed() {
  cat > template
  quietly certtool --generate-self-signed --load-privkey "$1.key" --template template --hash SHA256 --no-text \
    --outfile "$1.pem"
}

# signed_by <authority> <name>: the certificate alone
signed_by() {
  cat > template
  quietly certtool --generate-certificate --load-privkey "$2.key" --load-ca-privkey "$1.key" \
    --load-ca-certificate "$1.pem" --template template --hash SHA256 --no-text --outfile "$2.pem"
}

# leaf <name> [ec|rsa|weak|ed25519]: key and chain, signed by the intermediate authority
leaf() {
  make_key "$1" "${2:-ec}"
  signed_by intermediate "$1"
  cat intermediate.pem >> "$1.pem"
}

# revocations <file> <first year> <year of the next update> [authority]: lists `revoked`
revocations() {
  printf 'crl_number = 1\ncrl_this_update_date = "%s-01-01 00:00:00 UTC"\ncrl_next_update_date = "%s-01-01 00:00:00 UTC"\n' \
    "$2" "$3" > template
  quietly certtool --generate-crl --load-ca-privkey "${4:-intermediate}.key" --load-ca-certificate "${4:-intermediate}.pem" \
    --load-certificate revoked-alone.pem --template template --no-text --outfile "$1"
}

pin() {
  certtool --pubkey-info --load-certificate "$1.pem" --stdout-info 2>/dev/null \
    | sed -n 's/.*pin-sha256:\([A-Za-z0-9+/=]\{44\}\).*/\1/p' | head -n1 > "$1.pin"
  [ -s "$1.pin" ]
}

# -- authorities ------------------------------------------------------------------

authority() { printf 'cn = "%s"\nca\ncert_signing_key\ncrl_signing_key\n' "$1" && validity; }

make_key root
authority 'Test Root' | self_signed root
make_key foreign-root
authority 'Foreign Root' | self_signed foreign-root
make_key intermediate
{ authority 'Test Intermediate' && echo 'path_len = 0'; } | signed_by root intermediate

# -- servers ----------------------------------------------------------------------

for type in ec rsa ed25519; do
  { names localhost && server && validity; } | leaf "server-$type" "$type"
  pin "server-$type"
done

{ names localhost && server && validity 2021; } | leaf renewed
pin renewed
{ names localhost && server && validity 2010 2011; } | leaf expired
{ names localhost && server && validity 2085; } | leaf not-yet-valid
{ names localhost && client && validity; } | leaf client-usage
{ names localhost && printf 'encryption_key\ntls_www_server\n' && validity; } | leaf no-signing rsa
{ names localhost && server && validity; } | leaf weak weak
{ names other-host.test && server && validity; } | leaf other-host

make_key self-signed
{ names localhost && server && validity; } | self_signed self-signed

{ names localhost && server && validity; } | leaf encrypted
quietly certtool --to-p8 --load-privkey encrypted.key --password "$password" --pkcs-cipher aes-256 --no-text \
  --outfile encrypted.p8
mv encrypted.p8 encrypted.key
printf '%s\n' "$password" > encrypted.password

cp server-ec.pem mismatched.pem
make_key mismatched

# certtool revokes every certificate of a file, so it gets one without the chain.
make_key revoked
{ names localhost && server && validity; } | signed_by intermediate revoked
mv revoked.pem revoked-alone.pem
cat revoked-alone.pem intermediate.pem > revoked.pem
revocations intermediate.crl 2020 2090
revocations outdated.crl 2010 2011
revocations foreign.crl 2020 2090 foreign-root

# -- clients ----------------------------------------------------------------------

{ names client-a.test && client && validity; } | leaf client-a
{ names client-b.test && client && validity; } | leaf client-b
{ printf 'cn = "client-a.test"\n' && client && validity; } | leaf client-common-name
{ names client-a.test && client && validity 2010 2011; } | leaf client-expired

# -- strangers --------------------------------------------------------------------

make_key foreign-server
{ names localhost && server && validity; } | signed_by foreign-root foreign-server
make_key foreign-client
{ names client-a.test && client && validity; } | signed_by foreign-root foreign-client

# -- all or nothing ---------------------------------------------------------------

rm -f template log revoked-alone.pem
cp "$script" made-by
cd /
# One run at a time takes the old world away. Another may have been quicker; its world is as good.
exec 9< "$(dirname "$folder")"
flock 9
is_made || {
  rm -rf "$folder"
  mv -T "$work" "$folder"
}
