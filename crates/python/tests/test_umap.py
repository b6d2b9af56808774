"""UMAP: what umap-learn's users expect."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from sklearn.manifold import trustworthiness
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from honeyguide import UMAP, IsolationForest


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    centers = generator.normal(scale=8, size=(4, 6))
    return np.concatenate([center + generator.normal(size=(80, 6)) for center in centers])


@pytest.fixture(scope="module")
def umap(rows):
    return UMAP(random_state=1).fit(rows)


def test_groups_stay_apart_and_neighbours_together(rows, umap):
    map = umap.embedding_
    assert map.shape == (320, 2) and map.dtype == np.float32
    assert trustworthiness(rows, map, n_neighbors=10) > 0.9
    groups = map.reshape(4, 80, 2)
    centers = groups.mean(axis=1)
    nearest = np.linalg.norm(map[:, None] - centers, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, np.repeat(np.arange(4), 80))


def test_rows_of_the_fit_get_their_coordinates(rows, umap):
    assert np.array_equal(umap.transform(rows), umap.embedding_)
    assert np.array_equal(UMAP(random_state=1).fit_transform(rows), umap.embedding_)


def test_a_row_is_placed_the_same_alone_and_among_others(rows, umap):
    new = rows + 0.125
    together = umap.transform(new)
    alone = np.concatenate([umap.transform(row[None]) for row in new[:40]])
    assert np.array_equal(together[:40], alone)
    assert np.array_equal(umap.transform(new[::-1]), together[::-1])


def test_bits_depend_neither_on_threads_nor_on_the_order_of_rows(rows, umap):
    for n_jobs in (1, 3):
        again = UMAP(random_state=1, n_jobs=n_jobs).fit(rows[::-1])
        assert np.array_equal(again.embedding_[::-1], umap.embedding_)


def test_rows_without_weight_take_no_part(rows, umap):
    extra = np.concatenate([rows, rows[:5] + 50])
    weights = np.concatenate([np.ones(len(rows)), np.zeros(5)])
    weighted = UMAP(random_state=1).fit(extra, sample_weight=weights)
    assert np.array_equal(weighted.embedding_[: len(rows)], umap.embedding_)
    assert np.array_equal(weighted.embedding_[len(rows) :], umap.transform(rows[:5] + 50))


def test_missing_values_and_other_metrics_are_refused(rows):
    holes = rows.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        UMAP().fit(holes)
    with pytest.raises(ValueError, match="metric"):
        UMAP(metric="jaccard").fit(rows)


def test_copies_place_rows_alike(rows, umap, tmp_path):
    new = rows * 1.1
    expected = umap.transform(new)
    joblib.dump(umap, tmp_path / "umap.joblib")
    copies = [
        pickle.loads(pickle.dumps(umap)),
        joblib.load(tmp_path / "umap.joblib"),
        skops.io.loads(skops.io.dumps(umap), trusted=["honeyguide._umap.UMAP"]),
    ]
    for again in copies:
        assert np.array_equal(again.transform(new), expected)
        assert np.array_equal(again.embedding_, umap.embedding_)


def test_a_saved_embedding_is_read_back(rows, tmp_path):
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    umap = UMAP(n_neighbors=7, n_components=3, metric="cosine", n_epochs=30, min_dist=0.2, random_state=5).fit(frame)
    umap.save(tmp_path / "umap.json")
    loaded = UMAP.load(tmp_path / "umap.json")
    assert loaded.get_params() == umap.get_params()
    assert list(loaded.feature_names_in_) == list("abcdef")
    assert np.array_equal(loaded.transform(frame * 1.01), umap.transform(frame * 1.01))
    for wrong in ("{}", "[]", '{"umap": {}}'):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(ValueError, match="wrong.json"):
            UMAP.load(tmp_path / "wrong.json")


def test_frames_come_out_as_frames(rows):
    frame = pl.DataFrame(rows, schema=list("abcdef"))
    umap = UMAP(n_epochs=5, random_state=0).set_output(transform="polars").fit(frame)
    assert umap.transform(frame).columns == ["umap0", "umap1"]
    assert list(umap.get_feature_names_out()) == ["umap0", "umap1"]


def test_a_forest_can_follow_in_a_pipeline(rows):
    pipeline = make_pipeline(StandardScaler(), UMAP(n_epochs=5, random_state=0), IsolationForest(random_state=0))
    assert pipeline.fit_predict(rows).shape == (320,)
