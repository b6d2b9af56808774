"""Compares the time to score the events of a file with the time of other engines to read the same columns.

    python3 bench/reading.py HONEYGUIDE SCAN DIR [--rounds N] [--scratch DIR]

HONEYGUIDE is the binary. SCAN is the example `scan` of the crate honeyguide from the same build (`cargo build --release
-p honeyguide -p honeyguide-cli --example scan`). It runs the engine alone, with the same build options and settings as
honeyguide. DIR holds labelled_training_data.csv with the columns of BETH. The script also writes the file as
newline-delimited JSON and as Parquet (with `honeyguide convert`), and trains a model with the recipe `context`. It needs
polars, duckdb and datafusion from PyPI (bench/requirements-reading.txt).

All figures are CPU time per million events on one thread. For honeyguide and SCAN, the time is that of the whole
process. For polars, duckdb and datafusion (the peers), it is the time of the query in a Python process that has
imported the library. The query reads the columns that the model needs, and sums their numbers and the lengths of their
strings, so that no engine can answer from a file's statistics. All peers must give the same sums. Honeyguide and the
peers run alternately. Figures are medians over the rounds, and a ratio is the median of the ratios of the rounds.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# The columns that the recipe `context` reads.
TEXTS = ["processName", "eventName", "args"]
NUMBERS = ["returnValue", "userId", "parentProcessId", "mountNamespace"]
PEERS = ["polars", "duckdb", "datafusion"]


def polars_read(path, kind):
    """Returns a function that runs the query in polars."""
    import polars

    scan = {"csv": polars.scan_csv, "ndjson": polars.scan_ndjson, "parquet": polars.scan_parquet}[kind]
    texts = [polars.col(name).str.len_bytes().sum() for name in TEXTS]
    query = scan(path).select(*texts, *[polars.col(name).sum() for name in NUMBERS])
    return lambda: query.collect(engine="streaming").row(0)


def duckdb_read(path, kind):
    """Returns a function that runs the query in DuckDB."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    read = {"csv": "read_csv", "ndjson": "read_json", "parquet": "read_parquet"}[kind]
    sums = [f'sum(strlen("{name}"))' for name in TEXTS] + [f'sum("{name}")' for name in NUMBERS]
    return lambda: connection.execute(f"SELECT {', '.join(sums)} FROM {read}('{path}')").fetchone()


def datafusion_read(path, kind):
    """Returns a function that runs the query in DataFusion."""
    from datafusion import SessionConfig, SessionContext, column, functions

    context = SessionContext(SessionConfig().with_target_partitions(1))
    read = {"csv": context.read_csv, "ndjson": context.read_json, "parquet": context.read_parquet}[kind]
    options = {"ndjson": {"file_extension": ".ndjson"}}.get(kind, {})
    texts = [functions.sum(functions.octet_length(column(f'"{name}"'))) for name in TEXTS]
    numbers = [functions.sum(column(f'"{name}"')) for name in NUMBERS]

    def work():
        batch = read(path, **options).aggregate([], texts + numbers).collect()[0]
        return tuple(batch.column(index)[0].as_py() for index in range(len(TEXTS + NUMBERS)))

    return work


def peer(name, path, kind):
    """Runs a peer's query and prints the CPU time in seconds and the sums. This runs in a separate process."""
    work = {"polars": polars_read, "duckdb": duckdb_read, "datafusion": datafusion_read}[name](path, kind)
    begun = time.process_time()
    sums = work()
    print(time.process_time() - begun, *sums)


def children_seconds():
    """Returns the CPU time of all child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def time_peer(name, path, kind):
    """Runs a peer in a process of its own. Returns the CPU time in seconds and the sums."""
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}
    command = [sys.executable, __file__, "--peer", name, str(path), kind]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    seconds, *sums = done.stdout.split()
    return float(seconds), sums


def time_ours(command):
    """Runs a command and returns its CPU time in seconds."""
    before = children_seconds()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return children_seconds() - before


def ours(binary, scan, model, path):
    """Returns the commands of honeyguide and of SCAN, by their names in the table."""
    options = ["--threads", "1", "--quiet"]
    every = "SELECT count(*), sum(score) FROM events"
    return {
        "honeyguide, a score for every event": [binary, "sql", every, path, "--model", model, *options],
        "honeyguide, scores and labels of distinct rows": [binary, "evaluate", model, path, *options],
        "the engine alone in this build, reading only": [scan, path, "1", *TEXTS, *NUMBERS],
    }


def prepare(binary, folder, scratch):
    """Writes the files and trains the model. Returns the files by format, the model and the number of events."""

    def run(*arguments):
        subprocess.run([binary, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)

    source = Path(folder) / "labelled_training_data.csv"
    files = {"csv": source, "ndjson": scratch / "events.ndjson", "parquet": scratch / "events.parquet"}
    model = scratch / "model.json"
    run("sql", "SELECT * FROM events", source, "--out", files["ndjson"])
    run("convert", source, "--skip-timing", "--out", files["parquet"])
    run("train", source, "--out", model)
    with source.open("rb") as lines:
        events = sum(1 for _ in lines) - 1
    return files, model, events


def measure(given, files, model, rounds):
    """Yields each format with the CPU times of its commands and queries, one per round."""
    for kind, path in files.items():
        times = {}
        for number in range(rounds + 1):
            for name, command in ours(given.binary, given.scan, model, path).items():
                times.setdefault(name, []).append(time_ours(command))
            answers = set()
            for name in PEERS:
                seconds, sums = time_peer(name, path, kind)
                answers.add(tuple(sums))
                times.setdefault(f"{name}, reading only", []).append(seconds)
            if len(answers) != 1:
                sys.exit(f"the peers do not agree on {path}: {answers}")
            if number == 0:
                times.clear()  # The first round only fills the page cache.
        yield kind, times


def print_table(kind, times, events):
    """Prints the rows of one format in a Markdown table."""
    every, distinct = list(times.values())[:2]
    for name, seconds in times.items():
        per_million = statistics.median(seconds) / events * 1e6
        ratios = [
            statistics.median(own / other for own, other in zip(base, seconds)) for base in (every, distinct)
        ]
        ratios = " | ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"| {kind} | {name} | {per_million:.2f} s | {1 / per_million:.2f} M | {ratios} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("scan")
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        files, model, events = prepare(given.binary, given.folder, Path(scratch))
        print("| format | what | CPU time per million events | events per second and core | every event takes × | distinct rows take × |")
        print("|---|---|--:|--:|--:|--:|")
        for kind, times in measure(given, files, model, given.rounds):
            print_table(kind, times, events)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "--peer":
        peer(*sys.argv[2:])
    else:
        main()
