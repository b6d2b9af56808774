#!/bin/bash
# The deployment unpacks a release of the pages and puts it in the place of the last.
set -e
release=/srv/www/release-$1
tar czf /tmp/release.tgz -C /srv/www page-1.html page-2.html
mkdir -p "$release"
tar xzf /tmp/release.tgz -C "$release"
chmod -R a+rX "$release"
ln -sfn "$release" /srv/www/current
rm -f /tmp/release.tgz
ls -dt /srv/www/release-* | tail -n +4 | xargs -r rm -r
[ -x /usr/sbin/nginx ] && nginx -c /opt/services/nginx.conf -s reload
