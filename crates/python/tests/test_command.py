"""The command `honeyguide` of the wheel."""

import os
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from honeyguide import IsolationForest, _native

pytestmark = pytest.mark.skipif(not hasattr(_native, "run_command"), reason="a build without the pipeline")

COMMAND = Path(sysconfig.get_path("scripts")) / "honeyguide"


def honeyguide(*arguments, status=0, **options):
    result = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, **options)
    assert result.returncode == status, result.stderr
    return result


def test_it_prints_its_version():
    assert honeyguide("--version").stdout == f"honeyguide {_native.VERSION}\n"


def test_it_returns_the_status_of_a_wrong_call_and_of_a_failed_job(tmp_path):
    assert "unrecognized subcommand" in honeyguide("no-such-command", status=2).stderr
    (tmp_path / "model.json").write_text("{}")
    assert "error:" in honeyguide("recipes", "no-such-recipe", status=2).stderr
    assert "error:" in honeyguide("score", "model.json", "events.csv", status=1, cwd=tmp_path).stderr


def test_arguments_arrive_as_they_are(tmp_path):
    (tmp_path / "día.csv").write_text("a,b\n1,2\n3,4\n")
    assert "2 rows" in honeyguide("inspect", "día.csv", cwd=tmp_path).stdout
    # An argument that is not text reaches the command's own check.
    assert "invalid UTF-8" in honeyguide("inspect", os.fsdecode(b"\xff.csv"), status=2).stderr


def test_a_saved_forest_scores_in_the_command_as_in_python(tmp_path):
    generator = np.random.default_rng(4)
    frame = pd.DataFrame(generator.normal(size=(500, 3)).round(3), columns=["bytes", "port", "share"])
    forest = IsolationForest(random_state=0, contamination=0.05).fit(frame)
    forest.save(tmp_path / "forest.json")
    frame.to_csv(tmp_path / "events.csv", index=False)
    printed = honeyguide("import", "forest.json", "events.csv", "--out", "model.json", cwd=tmp_path).stdout
    assert f"from honeyguide {_native.VERSION}" in printed
    honeyguide("score", "model.json", "events.csv", "--out", "scored.csv", cwd=tmp_path)
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert np.array_equal(scored["score"], -forest.score_samples(frame))
    assert np.array_equal(scored["anomalous"], forest.predict(frame) == -1)


def test_forests_with_categories_are_refused_in_words(tmp_path):
    frame = pd.DataFrame({"call": pd.Series(["read", "write"] * 20, dtype="category"), "size": np.arange(40.0)})
    IsolationForest().fit(frame).save(tmp_path / "forest.json")
    result = honeyguide("import", "forest.json", "--out", "model.json", status=1, cwd=tmp_path)
    assert "only forests of numbers can be imported" in result.stderr
