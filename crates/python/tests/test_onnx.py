"""Forests as graphs of ONNX: onnxruntime gives the same scores."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from honeyguide import IsolationForest


def outputs(forest, rows, folder):
    forest.to_onnx(folder / "forest.onnx")
    session = onnxruntime.InferenceSession(folder / "forest.onnx", providers=["CPUExecutionProvider"])
    label, scores = session.run(["label", "scores"], {"X": np.ascontiguousarray(rows)})
    return label[:, 0], scores[:, 0]


def check(forest, X, rows, folder):
    label, scores = outputs(forest, rows, folder)
    assert np.abs(scores - forest.decision_function(X)).max() < 1e-12
    assert np.array_equal(label, forest.predict(X))


@pytest.mark.parametrize("max_samples", [1, 2, 64, 1.0])
@pytest.mark.parametrize("n_features", [1, 6])
def test_numbers_score_alike_missing_values_included(tmp_path, max_samples, n_features):
    rows = np.random.default_rng(1).normal(size=(700, n_features)).round(1)
    rows[::9, 0] = np.nan
    forest = IsolationForest(n_estimators=30, max_samples=max_samples, random_state=0, contamination=0.1).fit(rows)
    # Rounding may move a score that is the threshold itself, which is one of the scores of the fit.
    new = np.concatenate([rows[1:] * 1.37, np.full((1, n_features), np.nan), np.full((1, n_features), 99.0)])
    check(forest, new, new, tmp_path)


def test_categories_score_alike_unseen_and_missing_ones_included(tmp_path):
    generator = np.random.default_rng(2)
    calls = generator.choice(["read", "write", "open", "close", "stat"], size=500, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    frame = pd.DataFrame({"call": calls.astype(object), "size": generator.normal(size=500)})
    frame.loc[::17, "call"] = None
    forest = IsolationForest(n_estimators=40, random_state=0, categorical_features=["call"]).fit(frame)
    new = frame.copy()
    new.loc[::23, "call"] = "ptrace"
    known = {label: float(code) for code, label in enumerate(forest.categories_[0])}
    codes = [np.nan if call is None or call != call else known.get(call, -1.0) for call in new["call"]]
    check(forest, new, np.column_stack([codes, new["size"]]), tmp_path)


@pytest.mark.parametrize("params", [{"extension_level": 1}, {"novelty": "range"}])
def test_forests_that_onnx_cannot_express_are_refused(tmp_path, params):
    rows = np.random.default_rng(3).normal(size=(50, 3))
    with pytest.raises(ValueError, match="ONNX cannot express"):
        IsolationForest(n_estimators=3, **params).fit(rows).to_onnx(tmp_path / "forest.onnx")
    assert not list(tmp_path.iterdir())
