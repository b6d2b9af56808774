"""Compares the recipe `dns` with two rules that need no model, on simulated lookups, and prints a Markdown table.

    python3 bench/dns_detection.py HONEYGUIDE [SEED ...]

HONEYGUIDE is the binary. For each seed (by default 11 to 15), `simulate --hours 24 --hosts 8 --dns` writes lookups of
eight training hosts and of eight test hosts. Models are trained with thresholds from held-out hosts, and everything is
measured on the test hosts. One rule flags a domain that no training host looked up, other than in a reverse lookup. The
other flags a `label_entropy` above 4 bits. The script needs only the standard library, and about 2 GB in the temporary
folder.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

RATES = [0.001, 0.005, 0.02]
UNKNOWN, ENTROPY = "unknown domain", "entropy > 4"
MAX_ENTROPY = 4.0
DETECTORS = [f"`dns`, {100 * rate:g} %" for rate in RATES] + [UNKNOWN, ENTROPY]

# The names that the simulated intruders use. Other labelled names are generated ones.
STAGES = {
    "pool.xmrgrid.example": "mining pool",
    "gw.northpeer.example": "control server",
    "cdn.freshassets.example": "hosts of tools and for archives",
    "files.quickdrop.example": "hosts of tools and for archives",
    "drop.paperlane.example": "hosts of tools and for archives",
}
TUNNEL, GENERATED = "tunnel in queries for TXT", "generated names"
ORDER = [TUNNEL, GENERATED, *dict.fromkeys(STAGES.values())]

# A reverse lookup has no domain, and a name without a registered domain is one by itself.
DOMAIN = "CASE WHEN reverse_ip(DnsQuery) IS NULL THEN coalesce(registered_domain(DnsQuery), DnsQuery) END"


def run(binary, *arguments):
    """Runs a command and returns what it prints."""
    command = [binary, *map(str, arguments), "--quiet"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def stage(name, kind):
    """Returns the stage of the attack that a labelled message belongs to."""
    if name.endswith(".s.paperlane.example") and kind == "['TXT']":
        return TUNNEL
    return STAGES.get(name, GENERATED)


class Counts:
    """What a detector flagged, over all seeds."""

    def __init__(self):
        self.flagged = Counter()
        self.false_domains = set()
        self.found_hosts = set()
        self.false_messages = 0


def measure(binary, seed, counts, totals):
    """Adds the counts of one seed."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        run(binary, "simulate", "--hours", 24, "--hosts", 8, "--dns", "--seed", seed, "--out", folder / "logs")
        train, test = (folder / "logs" / f"labelled_{split}_data-dns.csv" for split in ("training", "testing"))
        known = set(run(binary, "sql", f"SELECT DISTINCT {DOMAIN} FROM events", train).split("\n")[1:])
        for rate, detector in zip(RATES, DETECTORS):
            model = folder / f"{rate}.json"
            run(binary, "train", train, "--false-positive-rate", rate, "--out", model)
            judged = json.loads(run(binary, "evaluate", model, test, "--json"))
            label = next(label for label in judged["labels"] if label["label"] == "sus")
            incidents = label["incidents"]["unlabelled_rate"]
            totals["incidents", detector] += label["incidents"]["unlabelled"]
            totals["areas"].append((label["roc_auc"], label["average_precision"]))
            query = (
                "SELECT SensorId, DnsQuery, DnsQueryType, sus, anomalous, "
                f"{DOMAIN} AS domain, label_entropy(DnsQuery) AS entropy FROM events"
            )
            # Queries give rows in any order, so each is counted by itself.
            rows = list(csv.DictReader(io.StringIO(run(binary, "sql", query, test, "--model", model))))
            count(seed, rows, lambda row: row["anomalous"] == "true", counts[detector])
        totals["days"] += incidents["host_days"]
        count(seed, rows, lambda row: row["domain"] != "" and row["domain"] not in known, counts[UNKNOWN])
        count(seed, rows, lambda row: row["entropy"] != "" and float(row["entropy"]) > MAX_ENTROPY, counts[ENTROPY])
        for row in rows:
            if row["sus"] == "1":
                totals["hosts"].add((seed, row["SensorId"]))
                totals["stages"][stage(row["DnsQuery"], row["DnsQueryType"])] += 1
            else:
                totals["messages"] += 1


def count(seed, rows, is_flagged, found):
    """Adds the rows that a detector flags to its counts."""
    for row in filter(is_flagged, rows):
        host = (seed, row["SensorId"])
        if row["sus"] == "1":
            found.flagged[stage(row["DnsQuery"], row["DnsQueryType"])] += 1
            found.found_hosts.add(host)
        else:
            found.false_messages += 1
            found.false_domains.add((*host, row["domain"]))


def main():
    binary, seeds = sys.argv[1], [int(seed) for seed in sys.argv[2:]] or list(range(11, 16))
    counts = defaultdict(Counts)
    totals = defaultdict(int, areas=[], hosts=set(), stages=Counter())
    for seed in seeds:
        measure(binary, seed, counts, totals)
    days, messages, labelled = totals["days"], totals["messages"], sum(totals["stages"].values())
    print(f"{messages} messages without a label in {days:.1f} host days, and {labelled} labelled ones\n")
    print("| share of the messages that is flagged |", " | ".join(DETECTORS), "|")
    print("|---|" + "---|" * len(DETECTORS))

    def line(title, value):
        print(f"| {title} |", " | ".join(value(detector) for detector in DETECTORS), "|")

    for name in ORDER:
        if totals["stages"][name]:
            line(name, lambda of: f"{100 * counts[of].flagged[name] / totals['stages'][name]:.1f} %")
    line(f"attacked hosts of {len(totals['hosts'])} that are found", lambda of: str(len(counts[of].found_hosts)))
    line("messages without a label", lambda of: f"{100 * counts[of].false_messages / messages:.2f} %")
    line("false domains per host and day", lambda of: f"{len(counts[of].false_domains) / days:.1f}")
    rules = (UNKNOWN, ENTROPY)
    line(
        "false incidents per host and day",
        lambda of: "–" if of in rules else f"{totals['incidents', of] / days:.1f}",
    )
    for name, figures in zip(("AUROC", "average precision"), zip(*totals["areas"])):
        print(f"\n{name} of `sus`: {min(figures):.3f} to {max(figures):.3f}")


if __name__ == "__main__":
    main()
