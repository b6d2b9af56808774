"""Measures how each built-in recipe finds staged break-ins, and prints Markdown tables for docs/detection.md.

    python3 bench/stage.py HONEYGUIDE DIR

HONEYGUIDE is the binary, and DIR a folder that `cargo xtask stage DIR` wrote. Models are trained on DIR/training, which
holds some hosts' ordinary work. False incidents are counted on DIR/testing, the ordinary work of other hosts, and recall
on DIR/break-ins, where each recording holds another host's ordinary work and one break-in. The script needs only the
standard library.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPES = ["context", "actors", "beth-paper", "beth-timestamp"]
# How thresholds are set: the command's default on data as short as this, and a higher rate for the newer recipes.
THRESHOLDS = {"default": [], "1 %": ["--false-positive-rate", "0.01"]}
AT_DEFAULT_ONLY = ["beth-paper", "beth-timestamp"]
# The recipe and the threshold whose misses and false alarms are listed.
LISTED = ("context", "default")
MOST_LISTED = 25


def run(binary, *arguments):
    """Runs a command with `--json` and returns its parsed output."""
    command = [binary, *map(str, arguments), "--quiet", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def percent(share):
    """Formats a share, which is None where it is not defined."""
    return "–" if share is None else f"{100 * share:.2f} %"


def print_table(header, rows):
    """Prints a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print()


def host_hours(binary, data):
    """Returns the recorded time of all hosts."""
    query = """SELECT sum(seconds) / 3600 AS hours FROM
        (SELECT max("timestamp") - min("timestamp") AS seconds FROM events GROUP BY "hostName")"""
    return run(binary, "sql", query, data)["rows"][0]["hours"]


class Measurement:
    """A recipe with one threshold on all recordings of a stage."""

    def __init__(self, binary, folder, recipe, options, model):
        run(binary, "train", folder / "training", "--recipe", recipe, "--out", model, *options)
        ordinary = run(binary, "evaluate", model, folder / "testing", "--label", "sus")
        together = run(binary, "evaluate", model, folder / "break-ins")
        self.threshold = ordinary["threshold"]["value"]
        self.false = ordinary["labels"][0]["incidents"]["incidents"]
        self.flagged = ordinary["anomalous"] / ordinary["events"]
        self.sus, self.evil = together["labels"]
        self.attacks = {attack["host"]: attack for attack in self.sus["incidents"]["attacks"]}

    def row(self, hours):
        incidents = self.sus["incidents"]
        return [
            f"{self.threshold:.4f}",
            f"{self.sus['roc_auc']:.4f}",
            f"{self.sus['average_precision']:.4f}",
            percent(self.sus["verdicts"]["recall"]),
            percent(self.evil["verdicts"]["recall"]),
            f"{incidents['n_found']} of {incidents['n_attacks']}",
            percent(self.flagged),
            f"{self.false / hours:.1f}",
        ]

    def of_attack(self, host):
        """Returns what share of a break-in's events is flagged, and when it was found."""
        attack = self.attacks[host]
        found = attack["found"]
        early = "not found"
        if found:
            early = f"{found['seconds']:.1f} s, {percent(found['share_before'])}"
        return f"{percent(attack['anomalous'] / attack['events'])}; {early}"


def hosts(binary, folder):
    """Returns the host and the number of labelled events of each break-in."""
    query = """SELECT "hostName" AS host, sum("sus") AS sus FROM events GROUP BY 1"""
    recordings = sorted((folder / "break-ins").iterdir())
    rows = {recording.stem: run(binary, "sql", query, recording)["rows"][0] for recording in recordings}
    return {name: (row["host"], row["sus"]) for name, row in rows.items()}


def by_program(binary, model, data, condition):
    """Returns the programs of the events for which a condition holds, with their numbers."""
    query = f"""SELECT "processName" AS program, count(*) AS events FROM events WHERE {condition}
        GROUP BY 1 ORDER BY 2 DESC, 1"""
    rows = run(binary, "sql", query, data, "--model", model)["rows"]
    return [(f"`{row['program']}`", row["events"]) for row in rows]


def new_programs(binary, folder):
    """Yields of each break-in the programs that no training host ever ran."""
    for recording in sorted((folder / "break-ins").iterdir()):
        query = """SELECT DISTINCT "processName" AS program FROM events WHERE "sus" = 1
            AND "processName" NOT IN (SELECT "processName" FROM usual) ORDER BY 1"""
        rows = run(binary, "sql", query, recording, "--table", f"usual={folder / 'training'}")["rows"]
        yield recording.stem, ", ".join(f"`{row['program']}`" for row in rows) or "none"


def print_lists(binary, folder, model):
    """Prints what a model misses, and what it flags without a reason."""
    print("Labelled events that are not flagged, by program:\n")
    missed = by_program(binary, model, folder / "break-ins", '"sus" = 1 AND NOT anomalous')
    print_table(["program", "events"], missed[:MOST_LISTED])
    print("Flagged events of hosts without a break-in, by program:\n")
    print_table(["program", "events"], by_program(binary, model, folder / "testing", "anomalous")[:MOST_LISTED])


def main(binary, folder):
    hours = host_hours(binary, folder / "testing")
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in RECIPES:
            for threshold, options in THRESHOLDS.items():
                if threshold != "default" and recipe in AT_DEFAULT_ONLY:
                    continue
                model = Path(scratch) / f"{recipe}-{threshold[0]}.json"
                measured[recipe, threshold] = Measurement(binary, folder, recipe, options, model)
        print(f"Hosts without a break-in were tested for {hours:.2f} host hours.\n")
        print_table(
            ["recipe", "rate", "threshold", "AUROC, sus", "AP, sus", "recall, sus", "recall, evil", "break-ins found"]
            + ["flagged without a break-in", "false incidents per host and hour"],
            [[*name, *measurement.row(hours)] for name, measurement in measured.items()],
        )
        print_table(
            ["break-in", "events with sus = 1", *(", ".join(name) for name in measured)],
            [
                [name, events, *(measurement.of_attack(host) for measurement in measured.values())]
                for name, (host, events) in hosts(binary, folder).items()
            ],
        )
        print("Programs of the intruder that no training host ran:\n")
        print_table(["break-in", "programs"], new_programs(binary, folder))
        recipe, threshold = LISTED
        print_lists(binary, folder, Path(scratch) / f"{recipe}-{threshold[0]}.json")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
