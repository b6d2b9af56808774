"""Plots show what the estimators give."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from honeyguide import UMAP, IsolationForest, MapDisplay, ScoreDisplay  # noqa: E402


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(300, 3))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def test_the_histogram_counts_every_row_of_every_label(rows):
    forest = IsolationForest(n_estimators=10, random_state=0, contamination=0.1).fit(rows)
    labels = np.arange(300) % 3 == 0
    display = ScoreDisplay.from_estimator(forest, rows, labels, histtype="bar")
    heights = [sum(bar.get_height() for bar in bars) for bars in display.ax_.containers]
    assert heights == [200, 100]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert sorted(texts) == ["False", "True", f"threshold {-forest.offset_:.4f}"]
    assert (display.scores > display.threshold).sum() == (forest.predict(rows) == -1).sum()


def test_the_map_shows_every_row_on_the_axes_that_are_given(rows):
    umap = UMAP(n_epochs=5, random_state=0).fit(rows)
    ax = pyplot.figure().add_subplot()
    display = MapDisplay.from_estimator(umap, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert np.array_equal(ax.collections[0].get_offsets(), umap.embedding_)
    placed = MapDisplay.from_estimator(umap, rows[:40] + 1, ["a", "b"] * 20)
    assert [len(points.get_offsets()) for points in placed.ax_.collections] == [20, 20]


def test_what_cannot_be_plotted_is_refused(rows):
    umap = UMAP(n_epochs=5, n_components=1, random_state=0).fit(rows)
    with pytest.raises(ValueError, match="n_components"):
        MapDisplay.from_estimator(umap)
    forest = IsolationForest(n_estimators=2).fit(rows)
    with pytest.raises(ValueError, match="300 labels, got 2"):
        ScoreDisplay.from_estimator(forest, rows, [0, 1])
