"""The notebooks of docs/python run from the first cell to the last."""

import os
import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from honeyguide import _native

FOLDER = Path(__file__).parents[3] / "docs" / "python"


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(notebook, monkeypatch):
    """Runs the cells on few simulated events, with the command of this environment first on the path."""
    monkeypatch.setenv("NOTEBOOK_EVENTS", "3000")
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    client = NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    return client.execute()


def rows_of(notebook):
    """Returns the texts of the cells of each row of the table at the end."""
    table = notebook.cells[-1].outputs[0]["data"]["text/html"]
    rows = re.findall(r"<tr>(<td>.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows]


@pytest.mark.parametrize("name", ["workshop", "project"])
def test_notebooks_are_committed_without_outputs(name):
    for cell in read(name).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.skipif(not hasattr(_native, "run_command"), reason="a build without the pipeline")
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        (
            "workshop",
            "load, types, head, describe, histograms, features, correlations, balanced sample, map, forest, confusion matrix",
        ),
        ("project", "start, lake, questions, features, forest, validation and test, why"),
    ],
)
def test_every_cell_runs_and_the_table_has_the_seconds_of_both_sides(name, steps, monkeypatch):
    installed = {found.metadata["Name"] for found in distributions()}
    notebook = read(name)
    needed = dict(re.findall(r"^%%theirs (.*?) needs (\S+)$", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE))
    rows = rows_of(run(notebook, monkeypatch))
    assert [row[0] for row in rows] == steps.split(", ")
    for step, _, _, theirs, ours in rows:
        is_there = needed.get(step) in {None, *installed}
        assert re.fullmatch(r"\d+\.\d{3}", theirs) if is_there else theirs == f"{needed[step]} is not installed"
        assert re.fullmatch(r"\d+\.\d{3}", ours)
