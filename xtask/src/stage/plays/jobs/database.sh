#!/bin/bash
# The application loads orders into its database, asks it and vacuums it.
database=/var/tmp/orders-$(($1 % 4)).db
as=(setpriv --reuid=33 --regid=33 --clear-groups)
if command -v sqlite3 >/dev/null; then
    "${as[@]}" sqlite3 "$database" 'CREATE TABLE IF NOT EXISTS orders (id, customer, amount REAL)' '.mode csv' \
        ".import /srv/data/orders-$(($1 % 40 + 1)).csv orders"
    "${as[@]}" sqlite3 "$database" 'SELECT customer, sum(amount) FROM orders GROUP BY 1 ORDER BY 2 DESC LIMIT 5'
fi
"${as[@]}" /usr/bin/python3 /opt/jobs/orders.py "$database"
