"""Measures scikit-learn's IsolationForest on labelled sets. `cargo xtask adbench` compares honeyguide with the results.

usage: sklearn_auroc.py DIR [--seeds 10] > DIR/sklearn_auroc.csv

DIR holds one Parquet file per set, with numeric columns and the column `label` (0 or 1). Every forest has scikit-learn's
defaults and is fitted on all rows without the label. AUROC and average precision are those of the scores of the same
rows. Standard deviations are over the seeds 0, 1, …, with n − 1 in the denominator.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score


def figures(rows, labels, seed):
    """Returns the AUROC and the average precision of a forest with this seed."""
    scores = -IsolationForest(random_state=seed).fit(rows).score_samples(rows)
    return roc_auc_score(labels, scores), average_precision_score(labels, scores)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()

    print("set,rows,features,anomaly_share,auroc_mean,auroc_sd,ap_mean,ap_sd,seeds")
    for file in sorted(options.folder.glob("*.parquet")):
        table = parquet.read_table(file)
        labels = table["label"].to_numpy().astype(int)
        columns = table.drop_columns("label").columns
        rows = np.column_stack([column.to_numpy() for column in columns]).astype(np.float32)
        runs = np.array([figures(rows, labels, seed) for seed in range(options.seeds)])
        means, deviations = runs.mean(axis=0), runs.std(axis=0, ddof=1)
        print(
            f"{file.stem},{rows.shape[0]},{rows.shape[1]},{labels.mean():.4f},{means[0]:.4f},{deviations[0]:.4f},"
            f"{means[1]:.4f},{deviations[1]:.4f},{options.seeds}",
            flush=True,
        )


if __name__ == "__main__":
    main()
