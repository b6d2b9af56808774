"""Sums the orders of each file, with a few processes, and writes a summary."""

import csv
import json
import os
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def amount(path):
    with path.open(newline="") as lines:
        return path.name, statistics.fmean(float(row[2]) for row in csv.reader(lines))


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        amounts = dict(pool.map(amount, sorted(Path("/srv/data").glob("*.csv"))))
    with tempfile.NamedTemporaryFile("w", dir=Path.home(), delete=False) as out:
        json.dump(amounts, out)
    os.replace(out.name, Path.home() / "summary.json")
