"""The command `honeyguide` of the wheel."""

import os
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import honeyguide as hg
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


def events_with_categories(n_rows):
    """Returns events with categories of each type, whose missing values CSV, Parquet and Arrow write in their own ways."""
    generator = np.random.default_rng(6)
    frame = pl.DataFrame(
        {
            "size": generator.normal(size=n_rows),
            "call": generator.choice(["read", "write", "open", "é", "Z"], size=n_rows),
            "port": generator.choice([9, 22, 443, 8080], size=n_rows),
            "ratio": generator.choice([0.5, 1.0, 1e-7, 30.0], size=n_rows),
            "root": generator.choice([True, False], size=n_rows),
        }
    )
    missing = {name: pl.when(pl.lit(generator.random(n_rows) < 0.9)).then(name).alias(name) for name in frame.columns}
    return frame.with_columns(**missing)


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet", "nan.parquet"])
@pytest.mark.parametrize("novelty", ["plain", "range"])
def test_a_forest_with_categories_scores_in_the_command_as_in_python(tmp_path, kind, novelty):
    fitted = events_with_categories(400)
    forest = IsolationForest(
        n_estimators=30, random_state=0, contamination=0.1, novelty=novelty, categorical_features=["call", "port", "ratio", "root"]
    ).fit(fitted)
    forest.save(tmp_path / "forest.json")
    events = fitted.with_columns(
        call=pl.when(pl.int_range(pl.len()) % 7 == 3).then(pl.lit("ptrace")).otherwise("call"),
        port=pl.when(pl.int_range(pl.len()) % 11 == 5).then(pl.lit(4444)).otherwise("port"),
    )
    if kind == "nan.parquet":
        events = events.with_columns(pl.col("size", "ratio").fill_null(float("nan")))
    writer = {"csv": events.write_csv, "ndjson": events.write_ndjson}.get(kind, events.write_parquet)
    writer(tmp_path / f"events.{kind}")
    honeyguide("import", "forest.json", "--out", "model.json", cwd=tmp_path)
    honeyguide("score", "model.json", f"events.{kind}", "--out", "scored.parquet", cwd=tmp_path)
    scored = pl.read_parquet(tmp_path / "scored.parquet")
    assert np.array_equal(scored["score"], -forest.score_samples(events))
    assert np.array_equal(scored["anomalous"], forest.predict(events) == -1)
    model = hg.Model.load(tmp_path / "model.json")
    assert np.array_equal(model.score(events).to_polars()["score"], scored["score"])
    assert "trained on unknown events" in repr(model) and "<td>unknown</td>" in model._repr_html_()
