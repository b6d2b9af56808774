#!/bin/bash
# Root fetches a package from the server of files and installs it.
set -e
curl -sf -o /srv/packages/helper.deb http://files.example:8000/helper.deb
dpkg --install /srv/packages/helper.deb
helper
