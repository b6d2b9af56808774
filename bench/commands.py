"""Measures whole commands beside what a notebook does with other libraries, for docs/benchmarks.md.

    python3 bench/commands.py HONEYGUIDE [--rounds N] [--scratch DIR]

HONEYGUIDE is a binary of the release profile. The script writes simulated logs with `honeyguide simulate` and rows of
normal values, and runs each command and its peers in turn. Times are CPU times of whole processes on one thread, from
the start of the program to its end, with the reading of the files and the import of libraries. They are medians over the
rounds, and a ratio is the median of the rounds' ratios. The first round only fills the page cache.

The peers need bench/requirements-commands.txt. The notebooks do the paper's preprocessing, fit a forest of 100 trees of
256 samples on the training file, score the testing file, and compute the AUROC. DuckDB and DataFusion read the columns
that the recipe needs and add them up, which is less than scoring: they say how much of the time is reading.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SCORES = "SELECT count(*), sum(score) FROM events"
TEXTS = ["processName", "eventName", "args"]
NUMBERS = ["returnValue", "userId", "parentProcessId", "mountNamespace"]
# The number of simulated events, of which two thirds are trained on: as many as BETH has.
EVENTS = 1_141_078
# The number of rows and of columns of continuous values. One row in a hundred is an outlier.
ROWS, COLUMNS = 1_000_000, 10


def pandas_features(path):
    """Returns the features of the paper and the labels, with pandas."""
    import pandas

    events = pandas.read_csv(path)
    features = pandas.DataFrame({
        "processId": events["processId"].isin([0, 1, 2]).map({True: 0, False: 1}),
        "parentProcessId": events["parentProcessId"].isin([0, 1, 2]).map({True: 0, False: 1}),
        "userId": (events["userId"] >= 1000).astype(int),
        "mountNamespace": (events["mountNamespace"] != 4026531840).astype(int),
        "eventId": events["eventId"],
        "argsNum": events["argsNum"],
        "returnValue": events["returnValue"].clip(-1, 1),
    })
    return features.to_numpy(dtype=float), events["sus"].to_numpy()


def polars_features(path):
    """Returns the same with polars."""
    import polars
    from polars import col

    # Scanning leaves out the columns that nothing needs, which is a text of each event's arguments.
    features = polars.scan_csv(path).select(
        col("sus"),
        (~col("processId").is_in([0, 1, 2])).cast(float).alias("processId"),
        (~col("parentProcessId").is_in([0, 1, 2])).cast(float).alias("parentProcessId"),
        (col("userId") >= 1000).cast(float).alias("userId"),
        (col("mountNamespace") != 4026531840).cast(float).alias("mountNamespace"),
        col("eventId").cast(float),
        col("argsNum").cast(float),
        col("returnValue").clip(-1, 1).cast(float),
    ).collect()
    return features.drop("sus").to_numpy(), features["sus"].to_numpy()


def sklearn_forest(train, test, labels):
    """Returns the AUROC of scikit-learn's forest."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(train)
    return roc_auc_score(labels, -forest.score_samples(test))


def isotree_forest(train, test, labels):
    """Returns the AUROC of isotree's forest."""
    from isotree import IsolationForest
    from sklearn.metrics import roc_auc_score

    forest = IsolationForest(ntrees=100, sample_size=256, ndim=1, missing_action="fail", nthreads=1, random_seed=1)
    return roc_auc_score(labels, forest.fit(train).predict(test))


def on_logs(features, forest):
    """Returns work on the training and the testing log."""

    def work(files):
        train, _ = features(files["train.csv"])
        return forest(train, *features(files["test.csv"]))

    return work


def on_rows(read, forest):
    """Returns work on continuous rows, of which the first half is trained on and all are scored."""

    def work(files):
        rows, labels = read(files["rows.parquet"])
        return forest(rows[: len(rows) // 2], rows, labels)

    return work


def pandas_rows(path):
    import pandas

    rows = pandas.read_parquet(path)
    return rows.drop(columns="sus").to_numpy(), rows["sus"].to_numpy()


def polars_rows(path):
    import polars

    rows = polars.read_parquet(path)
    return rows.drop("sus").to_numpy(), rows["sus"].to_numpy()


def duckdb_sums(kind):
    """Returns work that adds up the columns of the training log with DuckDB."""

    def work(files):
        import duckdb

        connection = duckdb.connect()
        connection.execute("SET threads = 1")
        sums = [f'sum(strlen("{name}"))' for name in TEXTS] + [f'sum("{name}")' for name in NUMBERS]
        read = {"parquet": "read_parquet", "ndjson": "read_json"}[kind]
        return connection.execute(f"SELECT {', '.join(sums)} FROM {read}('{files[f'train.{kind}']}')").fetchone()

    return work


def datafusion_sums(kind):
    """Returns the same with DataFusion's wheel."""

    def work(files):
        from datafusion import SessionConfig, SessionContext, column, functions

        context = SessionContext(SessionConfig().with_target_partitions(1))
        path = str(files[f"train.{kind}"])
        table = context.read_json(path, file_extension=".ndjson") if kind == "ndjson" else context.read_parquet(path)
        sums = [functions.sum(functions.octet_length(column(f'"{name}"'))) for name in TEXTS]
        return table.aggregate([], sums + [functions.sum(column(f'"{name}"')) for name in NUMBERS]).collect()

    return work


PEERS = {
    "pandas + scikit-learn, logs": on_logs(pandas_features, sklearn_forest),
    "polars + isotree, logs": on_logs(polars_features, isotree_forest),
    "pandas + scikit-learn, rows": on_rows(pandas_rows, sklearn_forest),
    "polars + isotree, rows": on_rows(polars_rows, isotree_forest),
    "DuckDB, reading only, parquet": duckdb_sums("parquet"),
    "DuckDB, reading only, ndjson": duckdb_sums("ndjson"),
    "DataFusion's wheel, reading only, parquet": datafusion_sums("parquet"),
    "DataFusion's wheel, reading only, ndjson": datafusion_sums("ndjson"),
}


def commands(files):
    """Returns the rows of the table: the work, its commands, the goal in seconds, and the names of its peers."""
    threads = ["--threads", "1"]
    model = files["own.json"]
    train = lambda recipe: ["train", files["train.csv"], "--recipe", recipe, "--contamination", "auto", "--out", model, *threads]
    test = ["evaluate", model, files["test.csv"], *threads]
    read = lambda kind: [f"DuckDB, reading only, {kind}", f"DataFusion's wheel, reading only, {kind}"]
    forests = lambda what: [f"pandas + scikit-learn, {what}", f"polars + isotree, {what}"]
    every = lambda kind: ["sql", SCORES, files[f"train.{kind}"], "--model", files["context.json"], *threads]
    scored = ["score", files["context.json"], files["train.parquet"], "--out", files["out.parquet"], *threads]
    copied = ["sql", "SELECT * FROM events", files["train.parquet"], "--out", files["out.parquet"], *threads]
    train_rows = ["train", files["half.parquet"], "--recipe", "raw", "--contamination", "auto", "--out", model, *threads]
    return [
        ('`sql "SELECT sum(score) …"`, `context`, Parquet', [every("parquet")], 0.45, read("parquet")),
        ("the same, JSON lines", [every("ndjson")], 0.75, read("ndjson")),
        ("`evaluate`, `context`, Parquet", [["evaluate", files["context.json"], files["train.parquet"], *threads]], 0.20, []),
        (f"`evaluate`, `raw`, {ROWS:,} × {COLUMNS} continuous rows, Parquet", [["evaluate", files["raw.json"], files["rows.parquet"], *threads]], 0.45, []),
        ("`train` on half of these rows and `evaluate`", [train_rows, ["evaluate", model, files["rows.parquet"], *threads]], None, forests("rows")),
        ("`train` and `evaluate`, `beth-paper`, CSV", [train("beth-paper"), test], 0.17, forests("logs")),
        ("`train` and `evaluate`, `context`, CSV", [train("context"), test], 0.60, []),
        ("`score --out scored.parquet`, `context`, every event", [scored], None, []),
        ("reading and writing the same events (`sql --out`)", [copied], None, []),
    ]


def children_seconds():
    """Returns the CPU time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds_of(each):
    """Runs commands and returns their CPU time together, in seconds."""
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "TOKIO_WORKER_THREADS"]
    before = children_seconds()
    for command in each:
        environment = os.environ | {name: "1" for name in names}
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, env=environment)
    return children_seconds() - before


def prepare(binary, scratch):
    """Writes the files and trains the models. Returns all files by name."""
    import numpy
    import polars

    run = lambda *words: subprocess.run([binary, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    names = ["train.csv", "test.csv", "train.parquet", "train.ndjson", "rows.parquet", "half.parquet", "out.parquet"]
    files = {name: scratch / name for name in [*names, "own.json", "raw.json", "context.json"]}
    run("simulate", "--out", scratch / "logs", "--events", EVENTS)
    for name, file in [("train.csv", "labelled_training_data.csv"), ("test.csv", "labelled_testing_data.csv")]:
        (scratch / "logs" / file).rename(files[name])
    run("convert", files["train.csv"], "--skip-timing", "--out", files["train.parquet"])
    run("sql", "SELECT * FROM events", files["train.csv"], "--out", files["train.ndjson"])
    random = numpy.random.default_rng(1)
    labels = (numpy.arange(ROWS) % 100 == 99).astype(int)
    values = random.normal(size=(ROWS, COLUMNS)) * (1 + 2 * labels)[:, None]
    rows = polars.DataFrame({**{f"x{number}": values[:, number] for number in range(COLUMNS)}, "sus": labels})
    rows.write_parquet(files["rows.parquet"])
    rows.head(ROWS // 2).write_parquet(files["half.parquet"])
    run("train", files["train.csv"], "--recipe", "context", "--out", files["context.json"])
    run("train", files["half.parquet"], "--recipe", "raw", "--contamination", "auto", "--out", files["raw.json"])
    return files


def print_row(work, times, goal, peers):
    """Prints the rows of a command: its time beside its goal, and the ratio to each peer."""
    ours = statistics.median(times[None])
    spread = f"{min(times[None]):.2f} – {max(times[None]):.2f}"
    limit = "–" if goal is None else f"≤ {goal:.2f} s"
    result = "–" if goal is None else "met" if ours <= goal else "missed"
    print(f"| {work} | {ours:.2f} s | {spread} | {limit} | {result} |")
    for peer in peers:
        ratios = [theirs / own for theirs, own in zip(times[peer], times[None])]
        name, theirs = peer.rsplit(", ", 1)[0], statistics.median(times[peer])
        print(f"| … {name} | {theirs:.2f} s | {statistics.median(ratios):.1f} times our time | | |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--scratch", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        files = prepare(os.path.abspath(given.binary), Path(scratch))
        paths = [f"{name}={path}" for name, path in files.items()]
        print("| work | CPU time | spread | goal | result |\n|---|--:|---|---|---|", flush=True)
        for work, each, goal, peers in commands(files):
            times = {None: [], **{peer: [] for peer in peers}}
            for _ in range(given.rounds + 1):
                times[None].append(seconds_of([[given.binary, *command, "--quiet"] for command in each]))
                for peer in peers:
                    times[peer].append(seconds_of([[sys.executable, __file__, "--peer", peer, *paths]]))
            print_row(work, {name: found[1:] for name, found in times.items()}, goal, peers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        print(PEERS[sys.argv[2]](dict(pair.split("=", 1) for pair in sys.argv[3:])))
    else:
        main()
