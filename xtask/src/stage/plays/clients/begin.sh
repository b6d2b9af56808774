#!/bin/bash
# The people and browsers that use a host from other machines. It runs outside of the host, in the host's network.
# begin.sh KEYS FILES PAUSE SEED: FILES is the folder of the server of files.
set -u
keys=$1 files=$2 pause=$3 RANDOM=$4
. "$(dirname "$0")/ssh.sh"

make_package() {
    local work
    work=$(mktemp -d)
    mkdir -p "$work/DEBIAN" "$work/usr/local/bin"
    printf 'Package: helper\nVersion: 1.0\nArchitecture: all\nMaintainer: Alice <alice@example.org>\nDescription: a helper\n' \
        >"$work/DEBIAN/control"
    printf '#!/bin/sh\nset -e\nchmod 755 /usr/local/bin/helper\n' >"$work/DEBIAN/postinst"
    printf '#!/bin/sh\necho helper\n' >"$work/usr/local/bin/helper"
    chmod 755 "$work/DEBIAN" "$work/DEBIAN/postinst" "$work/usr/local/bin/helper"
    dpkg-deb --build --root-owner-group "$work" "$files/helper.deb" >/dev/null
    rm -r "$work"
}

# Browsers read pages, and reports of the application, one of them in bursts.
browse() {
    local round page
    while sleep "$pause"; do
        for round in $(seq $((RANDOM % 10 + 3))); do
            page=$((RANDOM % 40 + 1))
            curl -s -o /dev/null "http://10.0.0.5/page-$page.html"
        done
        curl -s -o /dev/null "http://10.0.0.5/app/report?number=$page"
        curl -s -o /dev/null "http://10.0.0.5/app/index"
    done
}

alice() {
    type_lines 0.5 <<'END' | login alice 10.0.0.5 -tt
ls -la
uptime
cd /srv/data
ls | head
cat orders-3.csv | tail -n 5
find . -name '*.csv' -newer orders-1.csv | wc -l
df -h
ps aux | grep python
tar czf ~/orders.tar.gz orders-*.csv
curl -s -o /tmp/page http://10.0.0.5/page-1.html
cat /etc/hosts
rm ~/orders.tar.gz
END
}

bob() {
    type_lines 0.5 <<'END' | login bob 10.0.0.5 -tt
cd project
git status
git log --oneline | head -n 5
make check
tail /var/log/health.log
ls -l /srv/www | head
grep -n sort *.c
free -m
END
}

deploy() {
    login deploy 10.0.0.5 'ls -l /srv/www; df -h; cat /etc/hostname'
    echo 'put /etc/services /tmp/services' | sftp -q -b - -F /dev/null -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i "$keys/deploy" deploy@10.0.0.5
}

work() {
    local people=(alice bob deploy)
    while sleep $((pause * (RANDOM % 5 + 2))); do
        "${people[RANDOM % 3]}"
    done
}

make_package
python3 "$(dirname "$0")/server.py" "$files" &
browse &
work
