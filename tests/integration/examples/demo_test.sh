#!/usr/bin/env bash
# The demo with a file of 1 MB.
# shellcheck source-path=SCRIPTDIR source=support.sh
. "$(dirname "$0")/support.sh"

demo=$project/examples/transfer/demo
head -c 1000000 /dev/urandom >small
expect_status 0 "$demo" small
expect_output 'although the receiver was killed 3 times'
expect_output 'they agree'
expect_output '^[1-9][0-9]* reconnects'
expect_output 'ready again after'
if grep -q $'\033' output.log; then fail 'escape sequences where there is no terminal'; fi

alone=tcp
[[ $ACTORWIRE_TLS == 0 ]] || alone=tls
expect_status 0 "$demo" "--$alone" small
expect_output "receiver  $alone://127"
expect_output 'although the receiver was killed 3 times'
expect_output 'they agree'

expect_status 1 "$demo" no-such-file
expect_output 'not a readable file'
