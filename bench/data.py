"""Writes simulated rows for the benchmarks. Files have no header and hold the rows one after another as little-endian f64.

usage: data.py DIR

normal.f64     1,000,000 rows of 10 independent standard normal features
beth_like.f64  763,144 rows of the 7 features that the preprocessing of the BETH paper gives (Highnam et al. 2021,
               appendix A): four 0/1 columns, an event id, the number of arguments of its event, and a sign. There are as
               many rows as in BETH's training split, and a few hundred of them are distinct. The values are not BETH's.
beth_sample.f64, beth_sample_new.f64
               two samples of 25,000 of these rows, drawn without replacement and standard-scaled
mixture.f64, mixture_new.f64
               two samples of 25,000 rows of 10 features from 12 normal distributions with standard deviation 1, whose
               centres are normal with standard deviation 4
"""

import sys
from pathlib import Path

import numpy as np

NORMAL_SHAPE = (1_000_000, 10)
BETH_ROWS = 763_144
EVENTS = 32
SAMPLE, GROUPS, MIXTURE_FEATURES = 25_000, 12, 10


def normal(rng):
    """Returns rows of independent standard normal features."""
    return rng.standard_normal(NORMAL_SHAPE)


def beth_like(rng):
    """Returns rows in which the event of rank r has a probability proportional to 1/r².

    Two of the four 0/1 columns are nearly constant, as they are on a quiet host.
    """
    weights = 1.0 / np.arange(1, EVENTS + 1) ** 2
    event = rng.choice(EVENTS, BETH_ROWS, p=weights / weights.sum())
    event_ids = rng.choice(400, EVENTS, replace=False)
    arguments = rng.integers(0, 6, EVENTS)
    ones = [rng.random(BETH_ROWS) < share for share in (0.94, 0.77, 0.0005, 0.002)]
    sign = rng.choice([-1, 0, 1], BETH_ROWS, p=[0.07, 0.62, 0.31])
    return np.column_stack([*ones, event_ids[event], arguments[event], sign]).astype(np.float64)


def beth_samples(rng):
    """Returns two samples of standard-scaled BETH-like rows, drawn without replacement."""
    rows = beth_like(np.random.default_rng(1))
    scaled = (rows - rows.mean(0)) / rows.std(0)
    return np.split(scaled[rng.permutation(BETH_ROWS)[: 2 * SAMPLE]], 2)


def mixtures(rng):
    """Returns two samples of rows from the same mixture of normal distributions."""
    centres = 4 * rng.standard_normal((GROUPS, MIXTURE_FEATURES))
    return [
        centres[rng.integers(0, GROUPS, SAMPLE)] + rng.standard_normal((SAMPLE, MIXTURE_FEATURES)) for _ in range(2)
    ]


def main():
    folder = Path(sys.argv[1])
    beth_sample, beth_sample_new = beth_samples(np.random.default_rng(2))
    mixture, mixture_new = mixtures(np.random.default_rng(3))
    files = {
        "normal": normal(np.random.default_rng(0)),
        "beth_like": beth_like(np.random.default_rng(1)),
        "beth_sample": beth_sample,
        "beth_sample_new": beth_sample_new,
        "mixture": mixture,
        "mixture_new": mixture_new,
    }
    for name, rows in files.items():
        rows.astype("<f8").tofile(folder / f"{name}.f64")
        distinct = len(np.unique(rows, axis=0))
        print(f"{name}: {rows.shape[0]} rows, {rows.shape[1]} features, {distinct} distinct")


if __name__ == "__main__":
    main()
