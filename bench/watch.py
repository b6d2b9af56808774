"""Measures `honeyguide watch`, for docs/watch.md: `python3 bench/watch.py HONEYGUIDE [--seconds S] [--rate R]`.

1. Events a second of JSON lines, from a file to verdicts and stored incidents, on one core: the watch is bound to one
   processor and reads a short and a long file; the difference of the times leaves out the start.
2. The time from the writing of a line into the watch's pipe until its incident is in the store, while R events a second
   come, and the memory meanwhile. Ten times a second, one event is an anomalous one of a host of its own.
   With --seconds 3600 it is a soak, and the memory is printed every minute.

The script needs only the standard library and a machine without other load."""

import argparse
import csv
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

# The part of a second in which one chunk of events is written, and the number of chunks between two probes.
CHUNK = 0.01
PROBE_CHUNKS = 10
NUMBERS = {
    "timestamp": float,
    "processId": int,
    "threadId": int,
    "parentProcessId": int,
    "userId": int,
    "mountNamespace": int,
    "eventId": int,
    "argsNum": int,
    "returnValue": int,
}


def prepare(honeyguide, folder, events):
    """Writes simulated logs and a model. Returns the events of the quiet log as dictionaries."""
    run = lambda *args: subprocess.run([honeyguide, *args], cwd=folder, check=True, capture_output=True)
    run("simulate", "--out", "logs", "--events", str(events), "--seed", "7")
    run("train", "logs/labelled_training_data.csv", "--out", "model.json")
    found = []
    with open(folder / "logs/labelled_training_data.csv", newline="") as file:
        for row in csv.DictReader(file):
            row.pop("sus"), row.pop("evil")
            found.append({name: NUMBERS.get(name, str)(value) for name, value in row.items()})
    return found


def watch(honeyguide, folder, source, store, *more):
    # One processor: the threads of the watch share it.
    bound = ["taskset", "-c", "0"] if source != "-" else []
    command = [honeyguide, "watch", "model.json", source, "--store", store, "--threads", "1", "--json", *more]
    return bound + command


def throughput(honeyguide, folder, events, rounds=3):
    """Prints the events a second of a file, and the memory."""
    short, long = folder / "short.ndjson", folder / "long.ndjson"
    text = "".join(json.dumps(event) + "\n" for event in events)
    span = events[-1]["timestamp"] - events[0]["timestamp"] + 1
    short.write_text(text)
    with long.open("w") as out:
        # Times go on, so that no event is late.
        for repeat in range(10):
            for event in events:
                out.write(json.dumps({**event, "timestamp": event["timestamp"] + repeat * span}) + "\n")
    rates, peaks = [], []
    for _ in range(rounds):
        times = []
        for file in (short, long):
            store = folder / "t.db"
            for left in folder.glob("t.db*"):
                left.unlink()
            begun = time.monotonic()
            child = subprocess.Popen(watch(honeyguide, folder, str(file), str(store)), cwd=folder, stdout=subprocess.PIPE)
            answer = json.load(child.stdout)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = status
            assert status == 0, status
            times.append((time.monotonic() - begun, answer["ledger"]["scored"]))
        (short_time, few), (long_time, many) = times
        rates.append((many - few) / (long_time - short_time))
        peaks.append(usage.ru_maxrss / 1024)
    print(f"| JSON lines → verdicts and stored incidents, one core | {statistics.median(rates):,.0f} events/s | lowest {min(rates):,.0f} |")
    print(f"| its peak memory | {max(peaks):.0f} MiB | |", flush=True)


class Probes:
    """The times at which anomalous events were written, and at which their incidents were first seen in the store."""

    def __init__(self, store):
        self.store, self.written, self.seen = store, {}, {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        connection = None
        while not self.ended.is_set():
            time.sleep(0.002)
            try:
                connection = connection or sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
                rows = connection.execute("SELECT host FROM incident WHERE host LIKE 'probe-%' AND opened > ?", (self.since(),)).fetchall()
            except sqlite3.Error:
                continue
            now = time.monotonic()
            for (host,) in rows:
                self.seen.setdefault(host, now)

    @staticmethod
    def since():
        # Only what is new, so that the search stays short in a soak.
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 20))

    def latencies(self):
        return sorted(self.seen[host] - written for host, written in self.written.items() if host in self.seen)


def memory(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def latency(honeyguide, folder, events, rate, seconds):
    """Prints the time from the arrival of an event to its stored incident at a rate of events, and the memory."""
    store = folder / "l.db"
    per_chunk = max(1, round(rate * CHUNK))
    mark = "@" * 17
    body = [json.dumps({**event, "timestamp": mark}).replace(f'"{mark}"', mark) + "\n" for event in events]
    chunks = ["".join(body[at : at + per_chunk]).encode() for at in range(0, len(body) - per_chunk, per_chunk)]
    probe = {**events[0], "processName": "xmrig", "userId": 1001, "eventName": "connect", "returnValue": -1, "timestamp": mark}
    child = subprocess.Popen(
        watch(honeyguide, folder, "-", str(store), "--watermark", "0"), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    probes = Probes(store)
    probes.thread.start()
    peak, curve, written = 0, [], 0
    begun = time.monotonic()
    for number in range(round(seconds / CHUNK)):
        stamp = f"{time.time():.6f}".encode()
        chunk = chunks[number % len(chunks)]
        if number % PROBE_CHUNKS == 0 and number * CHUNK > 5:
            host = f"probe-{number}"
            line = json.dumps({**probe, "hostName": host, "processId": 10_000 + number}).replace(f'"{mark}"', mark)
            chunk = chunk + line.encode() + b"\n"
            probes.written[host] = time.monotonic()
        child.stdin.write(chunk.replace(mark.encode(), stamp))
        child.stdin.flush()
        written += per_chunk
        if number % 100 == 0:
            peak = max(peak, memory(child.pid))
        if number % 6000 == 0:
            curve.append(f"{memory(child.pid):.0f}")
        ahead = begun + (number + 1) * CHUNK - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    actual = written / (time.monotonic() - begun)
    time.sleep(3)
    probes.ended.set()
    probes.thread.join()
    child.stdin.close()
    answer = json.load(child.stdout)
    assert child.wait() == 0
    found = probes.latencies()
    missing = len(probes.written) - len(found)
    part = lambda share: found[min(len(found) - 1, int(share * len(found)))] * 1000
    if not found:
        raise SystemExit("no probe became an incident: a model of more --events tells them apart")
    print(f"| from the line to the stored incident, {actual:,.0f} events/s | p99 {part(0.99):.0f} ms | p50 {part(0.5):.0f} ms, longest {part(1):.0f} ms |")
    print(f"| anomalous events without an incident in time | {missing} of {len(probes.written)} | |")
    print(f"| memory at this rate for {seconds} s | {peak:.0f} MiB | by minute: {', '.join(curve)} |")
    print(f"  {answer['ledger']}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    honeyguide = os.path.abspath(given.binary)
    folder = Path(tempfile.mkdtemp())
    try:
        events = prepare(honeyguide, folder, given.events)
        print(f"{len(events):,} simulated events")
        print("| what | | |\n|---|--:|---|")
        throughput(honeyguide, folder, events)
        latency(honeyguide, folder, events, given.rate, given.seconds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
