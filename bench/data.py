"""Writes the simulated rows that the benchmarks read: little-endian f64, row after row, without a header.

usage: data.py DIR

normal.f64     1,000,000 rows of 10 independent standard normal features
beth_like.f64  763,144 rows of the 7 features that the BETH paper's preprocessing leaves (Highnam et al. 2021,
               appendix A): four 0/1 columns, an event id, its number of arguments, and a sign. As many rows as BETH's
               training split, with a few hundred distinct ones; in all else they are not BETH.
"""

import sys
from pathlib import Path

import numpy as np

NORMAL_SHAPE = (1_000_000, 10)
BETH_ROWS = 763_144
EVENTS = 32


def normal(rng):
    return rng.standard_normal(NORMAL_SHAPE)


def beth_like(rng):
    """Event ids fall off as 1/rank²; of the four 0/1 columns two are nearly constant, as they are on a quiet host."""
    weights = 1.0 / np.arange(1, EVENTS + 1) ** 2
    event = rng.choice(EVENTS, BETH_ROWS, p=weights / weights.sum())
    event_ids = rng.choice(400, EVENTS, replace=False)
    arguments = rng.integers(0, 6, EVENTS)
    ones = [rng.random(BETH_ROWS) < share for share in (0.94, 0.77, 0.0005, 0.002)]
    sign = rng.choice([-1, 0, 1], BETH_ROWS, p=[0.07, 0.62, 0.31])
    return np.column_stack([*ones, event_ids[event], arguments[event], sign]).astype(np.float64)


def main():
    folder = Path(sys.argv[1])
    for seed, make in enumerate((normal, beth_like)):
        rows = make(np.random.default_rng(seed))
        rows.astype("<f8").tofile(folder / f"{make.__name__}.f64")
        distinct = len(np.unique(rows, axis=0))
        print(f"{make.__name__}: {rows.shape[0]} rows, {rows.shape[1]} features, {distinct} distinct")


if __name__ == "__main__":
    main()
