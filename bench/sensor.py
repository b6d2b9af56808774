"""Measures what the sensor costs, for docs/sensor.md: `python3 bench/sensor.py HONEYGUIDE`, as root.

Calls are made by bench/sensor.c, which prints the processor time of each. Every watcher is measured in turn with an
unwatched run, several times, and the medians are printed. perf and strace are left out where they are not installed."""

import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROUNDS = 5
CALLS = {"getppid": 300_000, "close": 300_000, "stat": 200_000, "open": 100_000}
TRACED = "close,newfstatat,openat"


def nanoseconds(command):
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def recording(honeyguide, out):
    """Starts a recording and waits until it has begun its file."""
    child = subprocess.Popen([honeyguide, "record", "--json", "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not any(name.endswith(".partial") for name in os.listdir(os.path.dirname(out))):
        time.sleep(0.01)
    return child


def ended(child):
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return out.decode()


def processor_time(child):
    """The processor time of a process so far, and its largest memory in MiB."""
    fields = pathlib.Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak) / 1024


def main():
    honeyguide = os.path.abspath(sys.argv[1])
    folder = tempfile.mkdtemp()
    calls = f"{folder}/calls"
    subprocess.run(["gcc", "-O2", "-o", calls, HERE / "sensor.c"], check=True)
    print("call: ns unwatched, with the sensor, strace -f, perf trace")
    for call, number in CALLS.items():
        alone, watched = [], []
        for _ in range(ROUNDS):
            alone.append(nanoseconds([calls, call, str(number)]))
            child = recording(honeyguide, f"{folder}/r.parquet")
            watched.append(nanoseconds([calls, call, str(number)]))
            ended(child)
        row = [statistics.median(alone), statistics.median(watched)]
        few = str(number // 20)
        for watcher in (["strace", "-f", "-e", f"trace={TRACED}", "-o", "/dev/null"], ["perf", "trace", "-e", TRACED, "-o", "/dev/null"]):
            if shutil.which(watcher[0]):
                try:
                    row.append(statistics.median(nanoseconds(watcher + [calls, call, few]) for _ in range(3)))
                except subprocess.CalledProcessError as error:
                    print(watcher[0], error.stderr[-200:])
                    row.append(float("nan"))
        print(call, *(f"{value:.0f}" for value in row))
    print("events/s: share of one processor, largest memory in MiB")
    for rate in (5_000, 100_000):
        child = recording(honeyguide, f"{folder}/r.parquet")
        time.sleep(1)
        (before, _), since = processor_time(child), time.monotonic()
        subprocess.run([calls, "close", str(rate * 20), str(rate)], capture_output=True, check=True)
        seconds = time.monotonic() - since
        after, peak = processor_time(child)
        answer = ended(child)
        print(f"{rate * 20 / seconds:.0f}/s asked {rate}: {(after - before) / seconds:.2%}, {peak:.0f} MiB")
        print("  ", answer[: answer.find('"processors"')])
    shutil.rmtree(folder)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
