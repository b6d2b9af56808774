#!/bin/bash
# Root builds a package, installs it from a local folder and removes an older one.
set -e
name=tool-$(($1 % 5))
work=$(mktemp -d)
mkdir -p "$work/DEBIAN" "$work/usr/local/bin" "$work/usr/share/doc/$name"
printf 'Package: %s\nVersion: 1.%d\nArchitecture: all\nMaintainer: Alice <alice@example.org>\nDescription: a tool\n' \
    "$name" "$1" >"$work/DEBIAN/control"
printf '#!/bin/sh\nset -e\nchmod 755 /usr/local/bin/%s\n' "$name" >"$work/DEBIAN/postinst"
chmod 755 "$work/DEBIAN" "$work/DEBIAN/postinst"
printf '#!/bin/sh\necho %s\n' "$name" >"$work/usr/local/bin/$name"
echo "$name" >"$work/usr/share/doc/$name/README"
dpkg-deb --build --root-owner-group "$work" "/srv/packages/$name.deb"
rm -r "$work"
dpkg --install "/srv/packages/$name.deb"
"/usr/local/bin/$name"
if [ $(($1 % 3)) = 0 ]; then dpkg --remove "$name"; fi
