#!/bin/bash
# The first process of a host: makes its users and data, and says that it is ready. At the word `go` on standard input
# it starts services and then does one job after the other. It ends with all its processes when standard input does, and
# in any case after SECONDS.
# begin.sh HOST SECONDS PAUSE SEED JOB...: PAUSE is the least number of seconds between two jobs.
set -u
cd /
host=$1 seconds=$2 pause=$3 RANDOM=$4
shift 4
exec 3<&0 </dev/null

make_users() {
    cat >/etc/passwd <<END
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
alice:x:1000:1000:Alice:/home/alice:/bin/bash
bob:x:1001:1001:Bob:/home/bob:/bin/bash
deploy:x:1002:1002:Deployment:/home/deploy:/bin/bash
END
    sed -E 's/^([^:]*):x:[0-9]+:([0-9]+):.*/\1:x:\2:/' /etc/passwd >/etc/group
    printf 'tty:x:5:\nadm:x:4:\ncrontab:x:102:\nnogroup:x:65533:\n' >>/etc/group
    for user in root alice bob deploy; do echo "$user:*:19700:0:99999:7:::"; done >/etc/shadow
    chmod 640 /etc/shadow
    echo "$host" >/etc/hostname
    printf '127.0.0.1 localhost\n10.0.0.5 %s\n198.51.100.7 files.example\n' "$host" >/etc/hosts
    local user
    for user in alice bob deploy; do
        mkdir -p /home/$user/.ssh
        cp /etc/skel/.[a-z]* /home/$user
        cp /etc/keys/$user.pub /home/$user/.ssh/authorized_keys
        chmod 700 /home/$user /home/$user/.ssh
        chown -R $user:$user /home/$user
    done
}

make_data() {
    mkdir -p /srv/{data,backup,www,packages} /var/www
    local number
    for number in {1..40}; do
        seq -f "%g,customer-%g,$((RANDOM)).%g" $((RANDOM % 200 + 50)) >/srv/data/orders-$number.csv
        seq $((RANDOM % 300 + 50)) >/srv/www/page-$number.html
    done
    mkdir /srv/data/contracts
    for number in {1..25}; do head -c 20000 /dev/urandom >/srv/data/contracts/contract-$number.pdf; done
    chown -R alice:alice /srv/data
    chmod -R g+rX,o+rX /srv
    su bob -c 'git config --global user.email bob@example.org; git config --global user.name Bob
        mkdir ~/project && cd ~/project && git init -q && cp /opt/jobs/project/* . && git add . && git commit -qm Begin'
}

start_services() {
    [ -x /usr/sbin/sshd ] && /usr/sbin/sshd -f /opt/services/sshd_config -E /var/log/sshd.log
    [ -x /usr/sbin/cron ] && cp /opt/services/crontab /etc/crontab && mkdir -p /etc/cron.d && /usr/sbin/cron
    [ -x /usr/sbin/nginx ] && /usr/sbin/nginx -c /opt/services/nginx.conf
    setpriv --reuid=33 --regid=33 --clear-groups /usr/bin/python3 /opt/services/app.py >>/var/log/app.log 2>&1 &
}

work() {
    local jobs=("$@") job
    while :; do
        job=${jobs[RANDOM % ${#jobs[@]}]}
        /opt/jobs/"$job".sh $RANDOM >/dev/null 2>>/var/log/jobs.log
        sleep "$(((RANDOM % 3 + 1) * pause))"
    done
}

make_users
make_data >/dev/null 2>&1
echo ready
read -r _ <&3 || exit
start_services
work "$@" &
read -r -t "$seconds" _ <&3
