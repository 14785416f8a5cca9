#!/bin/sh
# certificates_test.sh <certificates.sh>: asks OpenSSL, which had no part in making them, about the certificates.
set -eu
script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failures=0

# expect <what> <wanted> <got>
expect() {
  [ "$2" != "$3" ] || return 0
  printf 'FAILED: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

"$script" world
cd world

# verdict <name> [option of openssl verify...]: good, or why not.
verdict() {
  name=$1
  shift
  if answer=$(openssl verify -x509_strict -CAfile root.pem -untrusted intermediate.pem "$@" "$name.pem" 2>&1); then
    echo good
  else
    printf '%s\n' "$answer" | sed -n 's/^error [0-9]* at [0-9]* depth lookup: *//p' | head -n1
  fi
}

public_key_of_certificate() { openssl x509 -in "$1.pem" -noout -pubkey; }
public_key_of_key() { openssl pkey -in "$1.key" -pubout; }

# -- good ones ----------------------------------------------------------------------

for name in server-ec server-rsa server-ed25519 renewed encrypted; do
  expect "$name as server" good "$(verdict "$name" -purpose sslserver)"
  expect "$name is not for clients" 'unsuitable certificate purpose' "$(verdict "$name" -purpose sslclient)"
  expect "$name for localhost" good "$(verdict "$name" -verify_hostname localhost)"
  for address in 127.0.0.1 ::1; do
    expect "$name for $address" good "$(verdict "$name" -verify_ip "$address")"
  done
  expect "$name brings the intermediate" 2 "$(grep -c 'BEGIN CERTIFICATE' "$name.pem")"
done
for name in client-a client-b; do
  expect "$name as client" good "$(verdict "$name" -purpose sslclient -verify_hostname "$name.test")"
done
for name in server-ec server-rsa server-ed25519 renewed client-a client-b foreign-server self-signed; do
  expect "the key of $name" "$(public_key_of_certificate "$name")" "$(public_key_of_key "$name")"
done
for name in server-ec server-rsa server-ed25519; do
  expect "the pin of $name" "$(cat "$name.pin")" \
    "$(public_key_of_certificate "$name" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)"
done

# -- bad ones, each by one thing ----------------------------------------------------------

expect expired 'certificate has expired' "$(verdict expired -purpose sslserver)"
expect not-yet-valid 'certificate is not yet valid' "$(verdict not-yet-valid -purpose sslserver)"
expect client-usage 'unsuitable certificate purpose' "$(verdict client-usage -purpose sslserver)"
expect other-host 'hostname mismatch' "$(verdict other-host -verify_hostname localhost)"
expect other-host good "$(verdict other-host -verify_hostname other-host.test)"
expect self-signed 'self-signed certificate' "$(verdict self-signed)"
expect client-expired 'certificate has expired' "$(verdict client-expired -purpose sslclient)"
expect client-common-name good "$(verdict client-common-name -purpose sslclient)"
expect 'client-common-name has no other names' '' \
  "$(openssl x509 -in client-common-name.pem -noout -ext subjectAltName 2>/dev/null)"
expect foreign-server 'unable to get local issuer certificate' "$(verdict foreign-server)"
expect foreign-client 'unable to get local issuer certificate' "$(verdict foreign-client)"
expect 'foreign-server to those who trust its authority' 'foreign-server.pem: OK' \
  "$(openssl verify -x509_strict -CAfile foreign-root.pem foreign-server.pem 2>&1)"

expect no-signing 'Key Encipherment' \
  "$(openssl x509 -in no-signing.pem -noout -ext keyUsage | sed -n 's/^ *//; 2p')"

expect revoked 'certificate revoked' "$(verdict revoked -crl_check -CRLfile intermediate.crl)"
expect 'revoked, to those who have no list' good "$(verdict revoked -purpose sslserver)"
expect 'server-ec is not on the list' good "$(verdict server-ec -crl_check -CRLfile intermediate.crl)"
expect outdated.crl 'CRL has expired' "$(verdict server-ec -crl_check -CRLfile outdated.crl)"

expect foreign.crl 'unable to get certificate CRL' "$(verdict server-ec -crl_check -CRLfile foreign.crl)"

expect weak 'Public-Key: (1024 bit)' "$(openssl x509 -in weak.pem -noout -text | grep -o 'Public-Key: (.*)')"
expect 'weak, but for its key' good "$(verdict weak -purpose sslserver -verify_hostname localhost)"

expect encrypted 'ENCRYPTED' "$(sed -n 's/^-----BEGIN \(.*\) PRIVATE KEY-----$/\1/p' encrypted.key)"
expect 'encrypted, with its password' "$(public_key_of_certificate encrypted)" \
  "$(openssl pkey -in encrypted.key -passin file:encrypted.password -pubout)"
expect 'encrypted, with another' refused \
  "$(openssl pkey -in encrypted.key -passin pass:other -pubout 2>/dev/null || echo refused)"

[ "$(public_key_of_certificate mismatched)" != "$(public_key_of_key mismatched)" ] \
  || expect mismatched 'two keys' 'one key'

# -- once made ------------------------------------------------------------------------

cd ..
before=$(cksum world/*)
"$script" world
expect 'made once' "$before" "$(cksum world/*)"

echo 'an earlier version' > world/made-by
"$script" world &
"$script" world
wait $!
expect 'made anew by two at once' '' "$(cmp "$script" world/made-by 2>&1)"
expect 'nothing else left' world "$(ls)"

[ "$failures" = 0 ] || exit 1
