"""Measures detectors that learn from normal rows only. `cargo xtask adbench` compares honeyguide with the results.

usage: normal_only_auroc.py DIR [--seeds 10] > DIR/normal_only_auroc.csv

DIR holds one Parquet file per set, with numeric columns and the column `label` (0 or 1). Every second normal row, in the
order of the file and beginning with the first, is for training. All other rows are for testing. Forests have 100 trees of
256 rows, in isotree with single-column splits drawn at random. ECOD and COPOD have no parameters, and no seed. Standard
deviations are over the seeds 0, 1, …, with n − 1 in the denominator.
"""

import argparse
import sys
from pathlib import Path

import isotree
import numpy as np
import pyarrow.parquet as parquet
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score


def scikit_learn(train, test, seed):
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def with_isotree(penalize_range):
    """Returns a function that scores with isotree."""

    def score(train, test, seed):
        forest = isotree.IsolationForest(
            ntrees=100, sample_size=min(256, len(train)), ndim=1, missing_action="fail", standardize_data=False,
            # isotree seeds tree i with the seed + i, so that neighbouring seeds would share most trees.
            penalize_range=penalize_range, random_seed=1000 * seed, nthreads=1,
        )
        return forest.fit(train).decision_function(test)

    return score


def with_pyod(detector):
    """Returns a function that scores with a detector of PyOD."""
    return lambda train, test, _: detector().fit(train).decision_function(test)


# The name of each detector, its function, and whether it depends on the seed.
DETECTORS = [
    ("scikit-learn", scikit_learn, True),
    ("isotree", with_isotree(False), True),
    ("isotree with penalize_range", with_isotree(True), True),
    ("ECOD", with_pyod(ECOD), False),
    ("COPOD", with_pyod(COPOD), False),
]


def split(rows, labels):
    """Returns the training rows, the test rows and the labels of the latter."""
    training = np.zeros(len(rows), dtype=bool)
    training[np.flatnonzero(labels == 0)[::2]] = True
    return rows[training], rows[~training], labels[~training]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()

    print("set,rows,features,detector,auroc_mean,auroc_sd,seeds")
    for file in sorted(options.folder.glob("*.parquet")):
        table = parquet.read_table(file)
        labels = table["label"].to_numpy().astype(int)
        columns = table.drop_columns("label").columns
        rows = np.column_stack([column.to_numpy() for column in columns]).astype(float)
        train, test, test_labels = split(rows, labels)
        for name, score, has_seed in DETECTORS:
            seeds = options.seeds if has_seed else 1
            try:
                runs = [roc_auc_score(test_labels, score(train, test, seed)) for seed in range(seeds)]
            except ValueError as error:
                print(f"{file.stem}, {name}: {error}", file=sys.stderr)
                continue
            deviation = np.std(runs, ddof=1) if has_seed else 0.0
            line = f"{np.mean(runs):.4f},{deviation:.4f},{seeds}"
            print(f"{file.stem},{len(rows)},{rows.shape[1]},{name},{line}", flush=True)


if __name__ == "__main__":
    main()
