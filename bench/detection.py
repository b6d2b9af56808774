"""Compares the detection quality of recipes with two rules that need no model, and prints Markdown tables.

    python3 bench/detection.py HONEYGUIDE DIR [DIR ...]

HONEYGUIDE is the binary. Each DIR holds labelled_training_data.csv, labelled_validation_data.csv and
labelled_testing_data.csv with the columns of BETH. Models are trained on the training data. For each nominal
false-positive rate, the threshold is the lowest one that flags at most this share of the validation data. All figures
are measured on the testing data. For several folders, the tables show the lowest and the highest figure. The script
needs only the standard library.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

RECIPES = ["beth-paper", "beth-timestamp", "actors", "context"]
# Recipes for which thresholds from held-out hosts are measured as well.
HELD_OUT = ["actors", "context"]
NOMINAL_RATES = [0.05, 0.01, 0.001, 0.0001]
# The rule flags events with this user id or a larger one.
RULE_USER = 1000
SPLITS = ["training", "validation", "testing"]


def run(binary, *arguments):
    """Runs a command with `--json` and returns its parsed output."""
    command = [binary, *map(str, arguments), "--quiet", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def scored(binary, model, data, scratch):
    """Yields each event of a file as (score, sus, evil, whether the rule flags it, program)."""
    out = scratch / "scored.csv"
    run(binary, "score", model, data, "--out", out)
    with out.open(newline="") as lines:
        for row in csv.DictReader(lines):
            yield (
                float(row["score"]),
                row["sus"] == "1",
                row["evil"] == "1",
                int(row["userId"]) >= RULE_USER,
                row["processName"],
            )


def threshold_for(scores, rate):
    """Returns the lowest score that at most this share of the scores exceeds."""
    descending = sorted(scores, reverse=True)
    return descending[int(rate * len(descending))]


def share(part, whole):
    """Returns the quotient, or NaN if the denominator is 0."""
    return part / whole if whole else float("nan")


def rates_of(rows, flags):
    """Yields the recall of sus, of evil and of the sus events that the rule misses, and the false-positive rate."""
    groups = [
        lambda row: row[1],
        lambda row: row[2],
        lambda row: row[1] and not row[3],
        lambda row: not row[1],
    ]
    for group in groups:
        members = [row for row in rows if group(row)]
        yield share(sum(map(flags, members)), len(members))


def measure(binary, recipe, folder, scratch):
    """Measures a recipe on a folder.

    Returns AUROC and average precision by label, the rates at each nominal rate, and the number of false positives at
    0.1 % by program.
    """
    training, validation, testing = (folder / f"labelled_{split}_data.csv" for split in SPLITS)
    model = scratch / "model.json"
    run(binary, "train", training, "--recipe", recipe, "--out", model, "--contamination", "auto")
    labels = run(binary, "evaluate", model, testing)["labels"]
    figures = [label[name] for label in labels for name in ("roc_auc", "average_precision")]
    benign = [row[0] for row in scored(binary, model, validation, scratch)]
    rows = list(scored(binary, model, testing, scratch))
    at_rates, alarms = {}, Counter()
    for rate in NOMINAL_RATES:
        threshold = threshold_for(benign, rate)
        at_rates[rate] = list(rates_of(rows, lambda row: row[0] > threshold))
        if rate == 0.001:
            alarms.update(row[4] for row in rows if not row[1] and row[0] > threshold)
    return figures, at_rates, alarms


def held_out(binary, recipe, folder, scratch):
    """Returns the rates of a recipe with the threshold that training sets on held-out hosts."""
    model = scratch / "model.json"
    run(binary, "train", folder / "labelled_training_data.csv", "--recipe", recipe, "--out", model)
    threshold = json.loads(model.read_text())["threshold"]["value"]
    rows = list(scored(binary, model, folder / "labelled_testing_data.csv", scratch))
    return list(rates_of(rows, lambda row: row[0] > threshold))


def rules(folder):
    """Returns the rates of flagging every event, and of the rule on user ids."""
    with (folder / "labelled_testing_data.csv").open(newline="") as lines:
        rows = [
            (0.0, row["sus"] == "1", row["evil"] == "1", int(row["userId"]) >= RULE_USER)
            for row in csv.DictReader(lines)
        ]
    return [list(rates_of(rows, verdict)) for verdict in (lambda row: True, lambda row: row[3])]


def spread(values, digits=4):
    """Formats the lowest and the highest value."""
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"


def print_table(header, rows):
    """Prints a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def columns(measured):
    """Formats the spread of each figure over the folders."""
    return [spread(values) for values in zip(*measured)]


def main(binary, folders):
    results = {recipe: [] for recipe in RECIPES}
    others = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            for recipe in RECIPES:
                results[recipe].append(measure(binary, recipe, folder, Path(scratch)))
            of_hosts = [held_out(binary, recipe, folder, Path(scratch)) for recipe in HELD_OUT]
            others.append(of_hosts + rules(folder))
    print_table(
        ["recipe", "AUROC, sus", "AP, sus", "AUROC, evil", "AP, evil"],
        [[recipe, *columns([figures for figures, _, _ in found])] for recipe, found in results.items()],
    )
    rate_names = ["recall, sus", "recall, evil", "recall, sus that the rule misses", "realised rate"]
    lines = [
        [recipe, f"{100 * rate:g} %", *columns([at_rates[rate] for _, at_rates, _ in found])]
        for recipe, found in results.items()
        for rate in NOMINAL_RATES
    ]
    names = [(f"{recipe}, leave-one-host-out", "0.1 %") for recipe in HELD_OUT] + [("flag everything", "-"), (f"userId >= {RULE_USER}", "-")]
    lines.extend([*name, *columns(found)] for name, found in zip(names, zip(*others)))
    print_table(["detector", "nominal rate", *rate_names], lines)
    print("False alarms of `context` at 0.1 %, by program:\n")
    alarms = sum((alarms for _, _, alarms in results["context"]), Counter())
    print_table(["program", "events, all folders"], [[f"`{name}`", str(n)] for name, n in alarms.most_common()])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], [Path(folder) for folder in sys.argv[2:]])
