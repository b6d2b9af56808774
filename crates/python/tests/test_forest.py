"""The isolation forest: its results, and what it takes."""

import copy
import json
import multiprocessing
import pickle
import re
import subprocess
import sys

import joblib
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import shap
import skops.io
from sklearn.base import clone
from sklearn.ensemble import IsolationForest as Reference
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from honeyguide import IsolationForest
from honeyguide._settings import n_threads

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 5)).round(2)
    rows[:40] += 4
    return rows


@pytest.fixture(scope="module")
def forest(rows):
    return IsolationForest(random_state=1, contamination=0.02).fit(rows)


def test_scores_agree_with_scikit_learn(rows, forest):
    labels = np.arange(len(rows)) < 40
    reference = Reference(random_state=0, contamination=0.02).fit(rows)
    ours, theirs = (roc_auc_score(labels, -model.score_samples(rows)) for model in (forest, reference))
    assert abs(ours - theirs) < 0.01
    # Both draw 100 trees of 256 of the same events, so that scores differ by chance alone.
    assert np.corrcoef(forest.score_samples(rows), reference.score_samples(rows))[0, 1] > 0.97
    assert abs(forest.offset_ - reference.offset_) < 0.02
    assert (forest.predict(rows) == -1).sum() == pytest.approx(40, abs=1)


def test_decisions_follow_from_scores(rows, forest):
    scores = forest.score_samples(rows)
    assert np.array_equal(forest.decision_function(rows), scores - forest.offset_)
    assert np.array_equal(forest.predict(rows), np.where(scores < forest.offset_, -1, 1))
    assert np.array_equal(clone(forest).fit_predict(rows), forest.predict(rows))
    assert np.allclose(-scores, 2 ** (-forest.path_lengths(rows) / 10.244770920119917), rtol=1e-9)


@pytest.mark.parametrize("fractional", [False, True])
def test_a_weight_is_a_repetition_beyond_256_events(rows, fractional):
    weights = np.arange(len(rows)) % 4
    repeated = np.repeat(rows, weights, axis=0)[::-1]
    params = {"random_state": 3, "contamination": 0.1, "n_estimators": 20}
    weighted = IsolationForest(**params).fit(rows, sample_weight=weights * (0.5 if fractional else 1))
    same = IsolationForest(**params).fit(repeated, sample_weight=[0.5] * len(repeated) if fractional else None)
    assert len(repeated) > 256
    if not fractional:
        assert np.array_equal(weighted.score_samples(rows), same.score_samples(rows))
        assert weighted.offset_ == same.offset_
    else:
        assert abs(weighted.offset_ - same.offset_) < 0.05


@pytest.mark.parametrize("weights", ["zero", "negative", "short"])
def test_weights_that_are_none_are_refused(rows, weights):
    wrong = {"zero": np.zeros(len(rows)), "negative": -np.ones(len(rows)), "short": np.ones(3)}[weights]
    with pytest.raises(ValueError, match="weight"):
        IsolationForest().fit(rows, sample_weight=wrong)


def test_bits_depend_neither_on_threads_nor_on_the_order_of_rows(rows, forest):
    expected = forest.score_samples(rows)
    for n_jobs in (1, 3, -1):
        again = clone(forest).set_params(n_jobs=n_jobs).fit(rows[::-1])
        assert np.array_equal(again.score_samples(rows), expected)
    one_by_one = np.concatenate([forest.score_samples(row[None]) for row in rows[:50]])
    assert np.array_equal(one_by_one, expected[:50])


def test_trees_that_warm_start_adds_are_those_of_one_fit(rows):
    grown = IsolationForest(n_estimators=10, random_state=5, warm_start=True, contamination=0.1).fit(rows)
    grown.set_params(n_estimators=25).fit(rows)
    whole = IsolationForest(n_estimators=25, random_state=5, contamination=0.1).fit(rows)
    assert np.array_equal(grown.score_samples(rows), whole.score_samples(rows))
    assert grown.offset_ == whole.offset_
    with pytest.warns(UserWarning, match="does not fit new trees"):
        grown.fit(rows)
    with pytest.raises(ValueError, match="n_estimators=5 must be larger"):
        grown.set_params(n_estimators=5).fit(rows)
    with pytest.raises(ValueError, match="contamination was 0.1"):
        grown.set_params(n_estimators=30, contamination=0.2).fit(rows)


def test_missing_values_are_taken_and_infinities_are_not(rows):
    holes = rows.copy()
    holes[::7, 2] = np.nan
    forest = IsolationForest(random_state=0).fit(holes)
    assert np.isfinite(forest.score_samples(holes)).all()
    holes[3, 1] = np.inf
    for call in (forest.fit, forest.score_samples, forest.shap_values):
        with pytest.raises(ValueError, match="infinity"):
            call(holes)


def frames(rows):
    columns = {f"f{number}": rows[:, number] for number in range(rows.shape[1])}
    return {"pandas": pd.DataFrame(columns), "polars": pl.DataFrame(columns), "pyarrow": pa.table(columns)}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_score_as_their_values_do(rows, library):
    frame = frames(rows)[library]
    forest = IsolationForest(random_state=1, contamination=0.02).fit(frame)
    expected = IsolationForest(random_state=1, contamination=0.02).fit(rows)
    assert np.array_equal(forest.score_samples(frame), expected.score_samples(rows))
    assert list(forest.feature_names_in_) == ["f0", "f1", "f2", "f3", "f4"]
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        forest.predict(rows)


def test_streams_of_arrow_score_as_their_values_do(rows):
    table = frames(rows)["pyarrow"]
    forest = IsolationForest(random_state=1).fit(pa.RecordBatchReader.from_batches(table.schema, table.to_batches()))
    stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=300))
    assert np.array_equal(forest.score_samples(stream), IsolationForest(random_state=1).fit(rows).score_samples(rows))
    assert list(forest.feature_names_in_) == table.column_names


@pytest.mark.parametrize("method", ["fit_predict", "explain", "shap_values", "feature_importances", "predict"])
def test_each_method_reads_a_stream_once(rows, forest, method):
    table = frames(rows)["pyarrow"]
    forest = IsolationForest(random_state=1, n_estimators=5).fit(table)

    def stream():
        return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=300))

    found, expected = (getattr(clone(forest).fit(table), method)(data) for data in (stream(), table))
    assert np.array_equal(np.asarray(getattr(found, "values", found)), np.asarray(getattr(expected, "values", expected)))
    assert method != "explain" or np.array_equal(found.data, rows)


class OfArrow:
    """What has nothing but a shape and one of Arrow's methods, as the tables of some libraries."""

    def __init__(self, data, method):
        self.shape = (data.num_rows, data.num_columns)
        self._method = getattr(data, method)
        setattr(type(self), method, lambda self, requested_schema=None: self._method(requested_schema))


@pytest.mark.parametrize("method", ["__arrow_c_stream__", "__arrow_c_array__"])
def test_anything_with_a_capsule_of_arrow_scores_as_its_values_do(rows, method):
    kind = type("Capsule", (OfArrow,), {})
    batch = frames(rows)["pyarrow"].combine_chunks().to_batches()[0]
    forest = IsolationForest(random_state=1).fit(kind(batch, method))
    expected = IsolationForest(random_state=1).fit(rows).score_samples(rows)
    assert np.array_equal(forest.score_samples(kind(batch, method)), expected)
    assert list(forest.feature_names_in_) == batch.schema.names


@pytest.mark.parametrize("dtype", ["boolean", "Int64", "Float64", "int64[pyarrow]", object])
def test_missing_values_of_pandas_types_are_missing_beside_categories_too(dtype):
    frame = pd.DataFrame({"flag": pd.Series([1, None, 0, 1] * 50).astype(dtype), "call": pd.Series(["a", "b"] * 100)})
    plain = frame.assign(flag=frame["flag"].astype(float) if dtype is object else frame["flag"].astype("Float64"))
    found, expected = (
        IsolationForest(random_state=0, categorical_features=["call"]).fit(X).score_samples(X) for X in (frame, plain)
    )
    assert np.array_equal(found, expected) and found[0] != found[1]


def categorical(library):
    number = np.arange(600.0) % 5
    call = np.where(np.arange(600) % 2, "read", "write").astype(object)
    number[::50], call[::40] = np.nan, None
    match library:
        case "pandas":
            return pd.DataFrame({"number": number, "call": pd.Series(call, dtype="category")})
        case "polars":
            return pl.DataFrame({"number": number, "call": pl.Series(call.tolist(), dtype=pl.Categorical)})
        case "pyarrow":
            return pa.table({"number": number, "call": pa.array(call.tolist()).dictionary_encode()})
        case _:
            return np.column_stack([number.astype(object), call])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "numpy"])
def test_categories_score_as_their_codes_do(library):
    frame = categorical(library)
    features = [1] if library == "numpy" else "from_dtype"
    forest = IsolationForest(random_state=2, categorical_features=features).fit(frame)
    assert forest.categories_ == [None, ["read", "write"]]
    codes = np.column_stack([np.arange(600.0) % 5, np.where(np.arange(600) % 2, 0.0, 1.0)])
    codes[::50, 0], codes[::40, 1] = np.nan, np.nan
    coded = IsolationForest(random_state=2, categorical_features=[1]).fit(codes)
    assert np.array_equal(forest.score_samples(frame), coded.score_samples(codes))


def test_a_category_that_was_not_seen_is_isolated_early():
    frame = pd.DataFrame({"call": ["read"] * 90 + ["write"] * 60, "size": [1.0, 2.0, 3.0] * 50})
    forest = IsolationForest(random_state=0, categorical_features=["call"]).fit(frame)
    known, unseen = (pd.DataFrame({"call": [call], "size": [2.0]}) for call in ("read", "ptrace"))
    assert forest.score_samples(unseen)[0] < forest.score_samples(known)[0]


@pytest.mark.parametrize(
    ("features", "message"), [(["no"], "'no', which is not a column"), ([7], "has 2 features"), ([True], "1 booleans")]
)
def test_categorical_features_that_are_not_there_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        IsolationForest(categorical_features=features).fit(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]}))


def test_shapley_values_add_up_and_are_those_of_shap(rows, forest):
    values = forest.shap_values(rows)
    assert np.abs(values.sum(axis=1) + forest.expected_value_ - forest.path_lengths(rows)).max() < 1e-9
    explanation = forest.explain(rows[:10])
    assert isinstance(explanation, shap.Explanation) and explanation.values.shape == (10, 5)
    assert np.array_equal(explanation.values, values[:10])
    importances = forest.feature_importances(rows)
    assert np.allclose(importances, np.abs(values).mean(axis=0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "numpy"])
@pytest.mark.parametrize("plot", ["beeswarm", "bar", "waterfall", "scatter", "heatmap"])
def test_plots_of_shap_take_explanations(library, plot):
    frame = categorical(library)
    features = [1] if library == "numpy" else "from_dtype"
    explanation = IsolationForest(n_estimators=5, random_state=0, categorical_features=features).fit(frame).explain(frame)
    explanation = {"waterfall": explanation[0], "scatter": explanation[:, 0]}.get(plot, explanation)
    getattr(shap.plots, plot)(explanation, show=False)
    plt.gcf().canvas.draw()
    assert any(axes.has_data() for axes in plt.gcf().axes)
    plt.close("all")


def test_values_have_the_unit_and_the_sign_of_shap():
    # One feature that varies has one Shapley value: the path length less its expectation, in the unit and sign of shap.
    rows = np.column_stack([np.arange(64.0), np.zeros(64)])
    ours = IsolationForest(n_estimators=1000, random_state=0).fit(rows)
    explainer = shap.TreeExplainer(Reference(n_estimators=1000, random_state=0, max_samples=64).fit(rows))
    theirs = explainer.shap_values(rows)[:, 0]
    assert np.corrcoef(ours.shap_values(rows)[:, 0], theirs)[0, 1] > 0.97
    assert ours.expected_value_ == pytest.approx(explainer.expected_value, abs=0.1)


def test_extended_forests_refuse_to_explain(rows):
    forest = IsolationForest(extension_level=1, n_estimators=5).fit(rows)
    with pytest.raises(ValueError, match="extension level 1"):
        forest.shap_values(rows)


def test_copies_score_alike(rows, forest, tmp_path):
    expected = forest.decision_function(rows)
    joblib.dump(forest, tmp_path / "forest.joblib")
    copies = [
        pickle.loads(pickle.dumps(forest)),
        copy.deepcopy(forest),
        joblib.load(tmp_path / "forest.joblib"),
        skops.io.loads(skops.io.dumps(forest), trusted=["honeyguide._forest.IsolationForest"]),
    ]
    for again in copies:
        assert np.array_equal(again.decision_function(rows), expected)


@pytest.mark.parametrize("library", ["pandas", "numpy"])
def test_a_saved_forest_is_read_back(tmp_path, library):
    frame = categorical(library)
    features = ["call"] if library == "pandas" else [1]
    forest = IsolationForest(
        random_state=2, categorical_features=features, contamination=0.1, max_samples=0.5, novelty="range"
    )
    forest.fit(frame).save(tmp_path / "forest.json")
    loaded = IsolationForest.load(tmp_path / "forest.json")
    assert np.array_equal(loaded.decision_function(frame), forest.decision_function(frame))
    assert loaded.categories_ == forest.categories_
    assert loaded.get_params() == {**forest.get_params(), "categorical_features": [1]}
    assert [path.name for path in tmp_path.iterdir()] == ["forest.json"]


@pytest.mark.parametrize("text", ["[]", '{"forest": {}}', '{"forest": {"version": 99}}', "{"])
def test_a_file_that_is_no_forest_is_refused(tmp_path, text):
    (tmp_path / "forest.json").write_text(text)
    with pytest.raises(ValueError):
        IsolationForest.load(tmp_path / "forest.json")


@pytest.mark.parametrize(
    "categories",
    [
        {"call": ["read", "write"]},
        [None],
        [None, ["read"]],
        [None, ["read", "write", "open"]],
        [["read", "write"], None],
        [None, None],
        [None, ["read", "read"]],
        [None, ["read", None]],
        [None, ["read", ["write"]]],
        [None, ["read", float("nan")]],
        [None, ["read", float("inf")]],
        [None, "rw"],
    ],
)
def test_a_file_with_other_categories_than_the_forest_is_refused(tmp_path, categories):
    path = tmp_path / "forest.json"
    IsolationForest(n_estimators=2, random_state=0).fit(categorical("pandas")).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "categories": categories}))
    with pytest.raises(ValueError, match=r"forest\.json: .*categor"):
        IsolationForest.load(path)


@pytest.mark.parametrize("category", [float("inf"), (1, 2), b"read"])
def test_categories_that_no_file_can_hold_are_refused(category):
    labels = np.empty(4, dtype=object)
    labels[:] = ["a", category, "a", category]
    with pytest.raises(ValueError, match="a category must be text, a finite number or a boolean"):
        IsolationForest(categorical_features=[0]).fit(labels.reshape(-1, 1))


def test_it_works_in_pipelines_and_searches(rows):
    labels = np.where(np.arange(len(rows)) < 40, -1, 1)
    pipeline = make_pipeline(StandardScaler(), IsolationForest(random_state=0, contamination=0.02))
    search = GridSearchCV(pipeline, {"isolationforest__n_estimators": [5, 10]}, scoring="accuracy", cv=2, n_jobs=2)
    search.fit(rows, labels)
    assert search.best_score_ > 0.9


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_workers_of_joblib_share_the_processors(monkeypatch, backend):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert n_threads(None) == n_threads(-1) == joblib.cpu_count()
    in_workers = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(n_threads)(None) for _ in range(4))
    assert sum(in_workers[:2]) <= max(joblib.cpu_count(), 2)
    # Without workers beside it, joblib changes nothing.
    assert joblib.Parallel(n_jobs=1, backend=backend)([joblib.delayed(n_threads)(None)]) == [joblib.cpu_count()]


def test_the_environment_limits_the_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert n_threads(None) == 1 and n_threads(3) == 3


def score_in_child(forest, rows, answers):
    answers.put(forest.score_samples(rows))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_scores(rows, forest):
    expected = forest.score_samples(rows)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=score_in_child, args=(forest, rows, answers))
    child.start()
    assert np.array_equal(answers.get(timeout=60), expected)
    child.join(60)
    assert child.exitcode == 0


def test_random_state_none_draws_a_seed_that_is_kept(rows):
    one, other = (IsolationForest(n_estimators=5).fit(rows) for _ in range(2))
    assert one.seed_ != other.seed_
    # A fitted attribute is a Python integer, which files can hold.
    assert isinstance(one.seed_, int)


def test_arrays_in_other_orders_and_types_score_alike(rows, forest):
    expected = forest.score_samples(rows)
    wide = np.zeros((len(rows), 10))
    wide[:, ::2] = rows
    unaligned = np.frombuffer(b"x" + rows.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(rows.shape)
    for same in (np.asfortranarray(rows), wide[:, ::2], unaligned, rows.tolist(), rows.astype(">f8")):
        assert np.array_equal(forest.score_samples(same), expected)


def test_importing_the_package_imports_neither_scikit_learn_nor_numpy(tmp_path):
    program = "import sys, honeyguide; print(sorted({'numpy', 'sklearn', 'pandas', 'shap', 'pyarrow'} & set(sys.modules)))"
    arguments = [sys.executable, "-c", program]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_messages_name_no_flag_of_the_command_line(rows):
    for params in ({"n_estimators": 200_000}, {"max_features": 9}, {"extension_level": 5}):
        with pytest.raises(ValueError) as refused:
            IsolationForest(**params).fit(rows)
        assert not re.search(r"--\w", str(refused.value))
