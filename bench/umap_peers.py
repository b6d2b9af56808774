"""Times one task in umap-learn, as `bench_umap` times it in the crate `learn`.

usage: umap_peers.py WORK --file FILE --new FILE --features N [--rows N] [--repeat N]

WORK is one of
  fit        fit on the rows of --file
  transform  place the rows of --new in an embedding fitted on those of --file

Everything runs on one thread with umap-learn's defaults. The work is first done on 5,000 rows, which compiles the
functions that it calls. Above 4,096 rows, umap-learn searches neighbours approximately, as it does for all rows.

Prints one line per repetition: work, rows, features, threads, CPU ns per row, wall ns per row.
"""

import argparse
import os
import time
import warnings

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
# umap-learn warns that TensorFlow is missing, which this script does not need.
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402  (reads the limits on threads when it is imported)
import umap  # noqa: E402

# The number of rows on which the functions are compiled.
COMPILED_ON = 5_000


def read(file, features, limit):
    """Returns the first `limit` rows of a file as f32."""
    return np.fromfile(file, dtype="<f8").reshape(-1, features)[:limit].astype(np.float32)


def fit(rows, _):
    """Returns a function that fits on the rows."""
    umap.UMAP(n_jobs=1).fit(rows[:COMPILED_ON])
    return lambda: umap.UMAP(n_jobs=1).fit(rows)


def transform(rows, new):
    """Returns a function that places the new rows."""
    model = umap.UMAP(n_jobs=1).fit(rows)
    model.transform(new[:COMPILED_ON])
    return lambda: model.transform(new)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["fit", "transform"])
    parser.add_argument("--file", required=True)
    parser.add_argument("--new", required=True)
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()

    rows = read(options.file, options.features, options.rows)
    new = read(options.new, options.features, options.rows)
    work = {"fit": fit, "transform": transform}[options.work](rows, new)
    for _ in range(options.repeat):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        work()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        n = len(rows)
        print(f"{options.work},{n},{options.features},1,{cpu / n:.1f},{wall / n:.1f}", flush=True)


if __name__ == "__main__":
    main()
