"""Measures `honeyguide watch`, for docs/benchmarks.md. It needs Linux, cargo, and a machine without other load:

    cargo build --release
    python3 bench/watch.py target/release/honeyguide                  # everything; the soak takes an hour
    python3 bench/watch.py target/release/honeyguide --minutes 5      # a shorter soak
    python3 bench/watch.py target/release/honeyguide --only throughput

1. Throughput: events a second of JSON lines, from a file to verdicts and stored incidents. The watch and all its threads
   are bound to one processor. It reads a short and a long file in turn, and the difference of the CPU times leaves out the
   start. Beside it, on the same processor and the same lines, stands a JSON parser alone (bench/parse_lines, sonic-rs).
2. Latency: the time from the writing of a line into the watch's pipe until a reader of the store sees its incident, at a
   rate of events. Once a second, one event is an anomalous one of a host of its own.
3. Soak: the same for an hour, with the memory of the watch (its resident set) once a minute.

The script prints rows for docs/benchmarks.md, each with its goal. Without --minutes 60 or more it says that memory was
measured for a shorter time. The events are simulated, and in the columns of BETH."""

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
PROBE_CHUNKS = 100
# The first seconds, in which a watch starts and learns the columns, have no probes.
WARM_UP = 5
# The number of times that the events of the short file stand in the long one.
REPEATS = 10
GOALS = {"rate": 500_000, "share": 0.5, "latency": 250, "memory": 200}
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


def row(what, figure, spread, goal, is_met):
    print(f"| {what} | {figure} | {spread} | {goal} | {'met' if is_met else 'missed'} |", flush=True)


def prepare(honeyguide, folder, events):
    """Writes simulated logs and a model. Returns the events of the quiet log as dictionaries."""
    run = lambda *args: subprocess.run([honeyguide, *args], cwd=folder, check=True, capture_output=True)
    run("simulate", "--out", "logs", "--events", str(events), "--seed", "7")
    run("train", "logs/labelled_training_data.csv", "--out", "model.json")
    found = []
    with open(folder / "logs/labelled_training_data.csv", newline="") as file:
        for line in csv.DictReader(file):
            line.pop("sus"), line.pop("evil")
            found.append({name: NUMBERS.get(name, str)(value) for name, value in line.items()})
    return found


def on_one_core(command, cpu):
    return ["taskset", "-c", str(cpu), *command]


def watch(honeyguide, source, store, *more):
    return [honeyguide, "watch", "model.json", source, "--store", store, "--threads", "1", "--json", *more]


def cpu_and_memory(command, folder):
    """Runs a watch to its end. Returns its answer, its CPU time in seconds and its peak memory in MiB.

    The kernel counts the memory of this script, from which the watch is started, in the peak that it gives at the end. So
    the peak is asked for while the watch runs."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.DEVNULL)
        peak = 0
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak = max(peak, memory(child.pid, "VmHWM") or 0)
            time.sleep(0.01)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        assert status == 0, status
        output.seek(0)
        return json.load(output), usage.ru_utime + usage.ru_stime, peak


def parser(folder):
    """Builds the JSON parser. Returns its path, or None where it cannot be built."""
    source = Path(__file__).resolve().parent / "parse_lines"
    target = folder / "parser"
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", source / "Cargo.toml", "--target-dir", target]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the JSON parser is left out: {error}", flush=True)
        return None
    return target / "release/parse-lines"


def throughput(honeyguide, folder, events, cpu, rounds):
    """Prints the events a second of a file beside those of a JSON parser, and the peak memory."""
    short, long = folder / "short.ndjson", folder / "long.ndjson"
    span = events[-1]["timestamp"] - events[0]["timestamp"] + 1
    short.write_text("".join(json.dumps(event) + "\n" for event in events))
    with long.open("w") as out:
        # Times go on, so that no event is late.
        for repeat in range(REPEATS):
            for event in events:
                out.write(json.dumps({**event, "timestamp": event["timestamp"] + repeat * span}) + "\n")
    parse = parser(folder)
    rates, alone, peaks = [], [], []
    # In turn, so that a change of the machine's speed meets both.
    for _ in range(rounds):
        times = []
        for file in (short, long):
            for left in folder.glob("t.db*"):
                left.unlink()
            command = on_one_core(watch(honeyguide, str(file), str(folder / "t.db")), cpu)
            answer, seconds, peak = cpu_and_memory(command, folder)
            assert answer["late"] == 0 and answer["ledger"]["malformed"] == 0, answer
            times.append((seconds, answer["ledger"]["scored"]))
        (short_time, few), (long_time, many) = times
        rates.append((many - few) / (long_time - short_time))
        peaks.append(peak)
        if parse:
            text = subprocess.run(on_one_core([parse, long], cpu), check=True, capture_output=True, text=True).stdout
            lines, seconds = text.split()
            alone.append(int(lines) / float(seconds))
    rate, size = statistics.median(rates), short.stat().st_size / len(events)
    what = f"JSON lines of {size:.0f} bytes → verdicts and stored incidents, one core"
    row(what, f"{rate:,.0f} events/s", f"{min(rates):,.0f} – {max(rates):,.0f}", f"≥ {GOALS['rate']:,}", rate >= GOALS["rate"])
    if alone:
        parsed, share = statistics.median(alone), [ours / its for ours, its in zip(rates, alone)]
        name = "the same, as a part of what a JSON parser alone (sonic-rs) does on the core"
        spread = f"the parser: {parsed:,.0f} lines/s; {min(share):.2f} – {max(share):.2f}"
        row(name, f"{statistics.median(share):.2f}", spread, f"≥ {GOALS['share']}", statistics.median(share) >= GOALS["share"])
    row("peak memory meanwhile", f"{max(peaks):.0f} MiB", "", f"≤ {GOALS['memory']} MiB", max(peaks) <= GOALS["memory"])
    short.unlink(), long.unlink()


class Probes:
    """The times at which anomalous events were written, and at which their incidents were first seen in the store."""

    def __init__(self, store):
        self.store, self.written, self.seen, self.latencies = store, {}, set(), []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def write(self, host):
        self.written[host] = time.monotonic()

    def look(self):
        connection, last = None, 0
        while not self.ended.is_set():
            time.sleep(0.002)
            try:
                connection = connection or sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
                # Rows are added in the order of their numbers: only what is new is read.
                rows = connection.execute("SELECT rowid, host FROM incident WHERE rowid > ?", (last,)).fetchall()
            except sqlite3.Error:
                continue
            now = time.monotonic()
            for number, host in rows:
                last = max(last, number)
                if host in self.written and host not in self.seen:
                    self.seen.add(host)
                    self.latencies.append(now - self.written[host])


def memory(pid, kind="VmRSS"):
    """Returns the memory of a process in MiB, as the kernel names its kinds; None of one that has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next((line for line in lines if line.startswith(kind)), None)
    return found and int(found.split()[1]) / 1024


class Load:
    """Events that are written into the pipe of a watch at a rate, with the times of their writing, and probes among them."""

    def __init__(self, events, rate):
        self.mark = "@" * 17
        self.per_chunk = max(1, round(rate * CHUNK))
        stamped = lambda event: json.dumps({**event, "timestamp": self.mark}).replace(f'"{self.mark}"', self.mark) + "\n"
        self.stamped = stamped
        body = [stamped(event) for event in events]
        starts = range(0, len(body) - self.per_chunk, self.per_chunk)
        self.chunks = ["".join(body[at : at + self.per_chunk]).encode() for at in starts]
        self.probe = {**events[0], "processName": "xmrig", "userId": 1001, "eventName": "connect", "returnValue": -1}

    def chunk(self, number, probes):
        chunk = self.chunks[number % len(self.chunks)]
        if number % PROBE_CHUNKS == 0 and number * CHUNK > WARM_UP:
            host = f"probe-{number}"
            chunk += self.stamped({**self.probe, "hostName": host, "processId": 10_000 + number % 20_000}).encode()
            probes.write(host)
        return chunk.replace(self.mark.encode(), f"{time.time():.6f}".encode())


def soak(honeyguide, folder, events, rate, seconds):
    """Prints the time from the arrival of an event to its stored incident at a rate of events, and the memory."""
    store, load = folder / "l.db", Load(events, rate)
    command = watch(honeyguide, "-", str(store), "--watermark", "0")
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    probes, curve = Probes(store), []
    probes.thread.start()
    begun, longest_delay = time.monotonic(), 0
    for number in range(round(seconds / CHUNK)):
        child.stdin.write(load.chunk(number, probes))
        child.stdin.flush()
        if number % 100 == 0:
            curve.append((time.monotonic() - begun, memory(child.pid)))
        ahead = begun + (number + 1) * CHUNK - time.monotonic()
        longest_delay = max(longest_delay, -ahead)
        if ahead > 0:
            time.sleep(ahead)
    took = time.monotonic() - begun
    time.sleep(3)
    probes.ended.set()
    probes.thread.join()
    child.stdin.close()
    answer = json.load(child.stdout)
    assert child.wait() == 0
    report(probes, curve, took, longest_delay, answer)


def report(probes, curve, took, longest_delay, answer):
    found, missing = sorted(probes.latencies), len(probes.written) - len(probes.latencies)
    if not found:
        raise SystemExit("no probe became an incident: a model of more --events tells them apart")
    part = lambda share: found[min(len(found) - 1, int(share * len(found)))] * 1000
    scored = answer["ledger"]["scored"]
    what = f"from the line to the stored incident, at {scored / took:,.0f} events/s"
    spread = f"median {part(0.5):.0f} ms, longest {part(1):.0f} ms, {len(found):,} incidents"
    row(what, f"99 of 100 within {part(0.99):.0f} ms", spread, f"≤ {GOALS['latency']} ms", part(0.99) <= GOALS["latency"])
    row("anomalous events whose incidents did not come in time", f"{missing}", f"of {len(probes.written):,}", "0", missing == 0)
    peak = max(size for _, size in curve)
    minutes = took / 60
    by_minute = [max(size for at, size in curve if minute <= at / 60 < minute + 1) for minute in range(max(1, int(minutes)))]
    first, last = statistics.median(by_minute[: max(1, len(by_minute) // 6)]), by_minute[-1]
    spread = f"{first:.0f} MiB in the first sixth, {last:.0f} MiB at the end"
    row(f"memory in {minutes:.0f} minutes at this rate", f"{peak:.0f} MiB", spread, f"≤ {GOALS['memory']} MiB", peak <= GOALS["memory"])
    print("\nMemory in MiB, the highest of each minute:")
    for at in range(0, len(by_minute), 12):
        print("    " + " ".join(f"{size:4.0f}" for size in by_minute[at : at + 12]))
    print(f"\nThe writer was behind by at most {longest_delay * 1000:.0f} ms. Ledger: {answer['ledger']}", flush=True)


def machine():
    cpu = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?")
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return f"{cpu}, {os.cpu_count()} processors, Linux {os.uname().release}, load average before {load}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--events", type=int, default=200_000, help="simulated events from which everything is made")
    options.add_argument("--rate", type=int, default=50_000, help="events a second of the soak")
    options.add_argument("--minutes", type=float, default=60, help="length of the soak")
    options.add_argument("--rounds", type=int, default=5, help="rounds of the throughput")
    options.add_argument("--cpu", type=int, default=0, help="the processor of the throughput")
    options.add_argument("--only", choices=["throughput", "soak"])
    given = options.parse_args()
    honeyguide = os.path.abspath(given.binary)
    folder = Path(tempfile.mkdtemp())
    try:
        events = prepare(honeyguide, folder, given.events)
        print(f"Measured on {machine()}\n")
        print("| what | figure | spread | goal | result |\n|---|--:|---|---|---|", flush=True)
        if given.only != "soak":
            throughput(honeyguide, folder, events, given.cpu, given.rounds)
        if given.only != "throughput":
            soak(honeyguide, folder, events, given.rate, given.minutes * 60)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
