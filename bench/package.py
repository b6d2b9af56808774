"""Times one task through the Python package honeyguide, from arrays of NumPy to arrays of NumPy.

usage: package.py WORK --file FILE --features N [--rows N] [--repeat N] [--threads N]

WORK is one of
  score          score all rows in one call (score_samples)
  one-row        score rows with one call per row; the figures are per call
  fit            fit a forest on the rows
  explain        explain all rows in one call (shap_values)
  fit-transform  embed the rows (UMAP)

Every forest has 100 trees of 256 samples and is fitted on the whole file. `--rows` limits the rows that are scored,
explained or embedded.

Prints one line per repetition: work, rows, features, threads, CPU ns per row, wall ns per row.
"""

import argparse
import time

import numpy as np

from honeyguide import UMAP, IsolationForest

TREES, SAMPLES, CALLS = 100, 256, 200


def forest(threads):
    return IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=0, n_jobs=threads)


def score(rows, limit, threads):
    fitted, scored = forest(threads).fit(rows), rows[:limit]
    return len(scored), lambda: fitted.score_samples(scored)


def one_row(rows, limit, threads):
    fitted = forest(threads).fit(rows)
    singles = [rows[i : i + 1] for i in range(min(CALLS, limit))]

    def work():
        for single in singles:
            fitted.score_samples(single)

    return len(singles), work


def fit(rows, _, threads):
    return len(rows), lambda: forest(threads).fit(rows)


def explain(rows, limit, threads):
    fitted, explained = forest(threads).fit(rows), rows[:limit]
    return len(explained), lambda: fitted.shap_values(explained)


def fit_transform(rows, limit, threads):
    embedded = rows[:limit]
    return len(embedded), lambda: UMAP(random_state=0, n_jobs=threads).fit_transform(embedded)


# Functions that prepare a task. They return the number of rows or calls, and a function that does the task.
WORKS = {"score": score, "one-row": one_row, "fit": fit, "explain": explain, "fit-transform": fit_transform}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--file", required=True)
    parser.add_argument("--new", help="not used: the rows that other programs place in an embedding")
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    rows = np.fromfile(options.file, dtype="<f8").reshape(-1, options.features)
    n, work = WORKS[options.work](rows, options.rows or len(rows), options.threads)
    for _ in range(options.repeat):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        work()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        print(f"{options.work},{n},{options.features},{options.threads},{cpu / n:.1f},{wall / n:.1f}", flush=True)


if __name__ == "__main__":
    main()
