"""Measures the peak memory of commands on a file and on a file seven times as long, and prints a Markdown table.

    python3 bench/memory.py HONEYGUIDE DIR [--times N] [--scratch DIR] [--threads N]

HONEYGUIDE is the binary. DIR holds the three labelled files of BETH. The first file contains all three, and the second
one contains them N times (7 by default). Peak memory is the maximum resident set size of the whole process, as Linux
reports it. The script needs only the standard library, and disk space for the files.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SPLITS = ["training", "validation", "testing"]


def write_events(folder, path, times):
    """Writes the events of all files, repeated `times` times, with one header. Returns the number of events."""
    files = [Path(folder) / f"labelled_{split}_data.csv" for split in SPLITS]
    with path.open("wb") as out:
        with files[0].open("rb") as first:
            out.write(first.readline())
        for _ in range(times):
            for file in files:
                with file.open("rb") as lines:
                    lines.readline()
                    shutil.copyfileobj(lines, out, 1 << 20)
    with path.open("rb") as lines:
        return sum(1 for _ in lines) - 1


def peak(command):
    """Runs a command. Returns its peak memory in MiB and its CPU time in seconds."""
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{command}: status {status}")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def commands(binary, data, scratch, threads):
    """Returns the commands to measure, by their names in the table."""
    model, scored = scratch / "model.json", scratch / "scored.parquet"
    options = ["--threads", threads, "--quiet"]
    return {
        "train": [binary, "train", data, "--out", model, *options],
        "train --calibrate": [binary, "train", data, "--calibrate", data, "--out", scratch / "c.json", *options],
        "evaluate": [binary, "evaluate", model, data, *options],
        "score --out scored.parquet": [binary, "score", model, data, "--out", scored, *options],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("folder")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scratch")
    given = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        scratch = Path(scratch)
        for times in (1, given.times):
            data = scratch / f"events-{times}.csv"
            events = write_events(given.folder, data, times)
            print(f"{events:,} events, {data.stat().st_size:,} bytes", flush=True)
            for name, command in commands(given.binary, data, scratch, given.threads).items():
                measured.setdefault(name, []).append(peak(command))
            data.unlink()
    print("| command | peak | of the longer file | CPU time | of the longer file | peaks |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, ((small, short), (large, long)) in measured.items():
        print(
            f"| `{name}` | {small:.0f} MiB | {large:.0f} MiB | {short:.1f} s | {long:.1f} s | × {large / small:.2f} |"
        )


if __name__ == "__main__":
    main()
