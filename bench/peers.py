"""Times one task with isolation forests in a Python library, as `bench_forest` times it in the crate `learn`.

usage: peers.py WORK --file FILE --features N [--rows N] [--repeat N]

WORK is one of
  sklearn-score    score all rows in one call (scikit-learn, score_samples)
  sklearn-one-row  score rows with one call per row; the figures are per call
  sklearn-fit      fit on the rows (scikit-learn)
  isotree-fit      fit on the rows (isotree, axis-parallel)
  shap-explain     explain all rows in one call (shap, TreeExplainer over a scikit-learn forest)

Every forest has 100 trees of 256 samples and is fitted on the whole file. Everything runs on one thread. `--rows` limits
the rows that are scored or explained. Each library gets the rows in the layout that it can use without a copy; the
conversion is not timed.

Prints one line per repetition: work, rows, features, threads, CPU ns per row, wall ns per row.
"""

import argparse
import os
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import numpy as np  # noqa: E402  (reads the limits on threads when it is imported)

TREES, SAMPLES, CALLS = 100, 256, 200


def sklearn_forest(rows):
    """Returns a scikit-learn forest that is fitted on the rows."""
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=0, n_jobs=1).fit(rows)


def sklearn_score(rows, limit):
    rows = rows.astype(np.float32)
    forest, scored = sklearn_forest(rows), rows[:limit]
    return len(scored), lambda: forest.score_samples(scored)


def sklearn_one_row(rows, limit):
    rows = rows.astype(np.float32)
    forest = sklearn_forest(rows)
    singles = [rows[i : i + 1] for i in range(min(CALLS, limit))]

    def work():
        for single in singles:
            forest.score_samples(single)

    return len(singles), work


def sklearn_fit(rows, _):
    rows = rows.astype(np.float32)
    return len(rows), lambda: sklearn_forest(rows)


def isotree_fit(rows, _):
    from isotree import IsolationForest

    columns = np.asfortranarray(rows)
    forest = IsolationForest(
        ntrees=TREES, sample_size=SAMPLES, ndim=1, missing_action="fail", nthreads=1, random_seed=1
    )
    return len(rows), lambda: forest.fit(columns)


def shap_explain(rows, limit):
    import shap

    rows = rows.astype(np.float32)
    explainer, explained = shap.TreeExplainer(sklearn_forest(rows)), rows[:limit]
    return len(explained), lambda: explainer.shap_values(explained)


# Functions that prepare a task. They return the number of rows or calls, and a function that does the task.
WORKS = {
    "sklearn-score": sklearn_score,
    "sklearn-one-row": sklearn_one_row,
    "sklearn-fit": sklearn_fit,
    "isotree-fit": isotree_fit,
    "shap-explain": shap_explain,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--file", required=True)
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()

    rows = np.fromfile(options.file, dtype="<f8").reshape(-1, options.features)
    n, work = WORKS[options.work](rows, options.rows or len(rows))
    for _ in range(options.repeat):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        work()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        print(f"{options.work},{n},{options.features},1,{cpu / n:.1f},{wall / n:.1f}", flush=True)


if __name__ == "__main__":
    main()
