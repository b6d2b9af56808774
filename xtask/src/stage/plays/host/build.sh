#!/bin/bash
# Builds the file system of a host in memory and begins the host in it. It runs as the first process of new namespaces.
# build.sh PLAYS KEYS ROOT HOST SECONDS PAUSE SEED JOB...
# PLAYS is the folder above this one, KEYS that of the ssh keys, and ROOT an empty folder to mount on. begin.sh gets the
# rest.
set -eu
plays=$1 keys=$2 root=$3 host=$4
shift 3

mount --make-rprivate /
mount -t tmpfs -o size=512m,mode=755 stage "$root"
mkdir "$root/.changes"
cd "$root"

# Programs are those of the machine. What a host writes over them stays in memory.
shadow() {
    mkdir -p ".changes/$1/"{new,work} ".$1"
    mount -t overlay -o "lowerdir=$1,upperdir=.changes/$1/new,workdir=.changes/$1/work,userxattr" stage ".$1"
}
shadow /usr
for folder in /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -L $folder ]; then cp -a $folder .; elif [ -d $folder ]; then shadow $folder; fi
done
# A host begins without packages, so that its database is small.
mkdir -p var/lib/dpkg/{alternatives,info,parts,triggers,updates}
touch var/lib/dpkg/{available,status}
# What a machine has installed by hand is not part of a host.
mount -t tmpfs -o size=16m,mode=755 stage usr/local
mkdir -p usr/local/{bin,sbin,share/doc}

# Settings that hold no secret and do not name the machine.
mkdir -p etc
for name in alternatives bash.bashrc debian_version default dpkg environment gai.conf host.conf init.d inputrc ld.so.cache \
    ld.so.conf ld.so.conf.d locale.alias login.defs logrotate.conf mime.types nginx nsswitch.conf os-release pam.d perl profile \
    profile.d protocols python3 python3.11 rpc security services shells skel ssh ssl/openssl.cnf terminfo; do
    if [ -e "/etc/$name" ]; then cp -a --parents "/etc/$name" .; fi
done
rm -f etc/ssh/ssh_host_*

mkdir -p dev/pts dev/shm proc run/sshd tmp var/log/nginx var/lib/{logrotate,nginx,misc} var/spool/cron/crontabs var/tmp \
    var/cache/nightly root srv opt home mnt
ln -s /run var/run
chmod 1777 tmp var/tmp dev/shm
chmod 1730 var/spool/cron/crontabs
chmod 700 root
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 stage dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t proc stage proc

cp -r "$plays/jobs" "$plays/services" opt
mkdir opt/host
cp "$plays/host/begin.sh" opt/host
mkdir etc/keys
cp "$keys"/host "$keys"/*.pub etc/keys
chmod 600 etc/keys/host

hostname "$host"
ip link set lo up
# Everything that hosts talk to is an address of their own loopback interface.
for address in 10.0.0.5 198.51.100.7 203.0.113.66; do ip address add $address/32 dev lo; done

mkdir .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    /bin/bash /opt/host/begin.sh "$@"
