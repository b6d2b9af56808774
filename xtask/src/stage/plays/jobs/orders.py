"""Counts the orders of a database and removes the oldest."""

import sqlite3
import sys

with sqlite3.connect(sys.argv[1]) as database:
    database.execute("CREATE TABLE IF NOT EXISTS orders (id, customer, amount REAL)")
    (count,) = database.execute("SELECT count(*) FROM orders").fetchone()
    print(count)
    database.execute("DELETE FROM orders WHERE rowid % 3 = 0")
database.execute("VACUUM")
