"""Plots show what the estimators give."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from sklearn.metrics import confusion_matrix  # noqa: E402

from honeyguide import UMAP, ConfusionDisplay, IsolationForest, MapDisplay, ScoreDisplay  # noqa: E402


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


def test_the_confusion_matrix_is_that_of_scikit_learn(rows):
    forest = IsolationForest(n_estimators=10, random_state=0, contamination=0.1).fit(rows)
    truth = rows[:, 0] > 1
    expected = confusion_matrix(truth, forest.predict(rows) == -1)
    for labels in (truth, truth.astype(int), truth.astype(float), np.where(truth, -1, 1)):
        display = ConfusionDisplay.from_estimator(forest, rows, labels)
        assert (display.confusion_matrix == expected).all()
    texts = [text.get_text().split("\n")[0] for text in display.ax_.texts]
    assert texts == [str(count) for count in expected.ravel()]
    mixed = ConfusionDisplay.from_predictions([0, 1, 1], np.array([1, -1, 1]))
    assert mixed.confusion_matrix.tolist() == [[1, 0], [1, 1]]


def test_the_confusion_matrix_of_an_evaluation_is_that_of_its_label():
    verdicts = {"true_positives": 4, "false_positives": 3, "true_negatives": 20, "false_negatives": 1}
    evaluation = {"labels": [{"label": "sus", "verdicts": verdicts}, {"label": "evil", "verdicts": verdicts}]}
    display = ConfusionDisplay.from_evaluation(evaluation, "evil")
    assert display.confusion_matrix.tolist() == [[20, 3], [1, 4]]
    for label in (None, "bad"):
        with pytest.raises(ValueError, match="'sus', 'evil'"):
            ConfusionDisplay.from_evaluation(evaluation, label)


def test_labels_that_could_mean_either_are_refused():
    for labels, says in [([1, 1], "all 1"), ([-1, 0], "each label"), ([2, 1], "each label"), (["a", "b"], "each label")]:
        with pytest.raises(ValueError, match=says):
            ConfusionDisplay.from_predictions(labels, [True, False])
    with pytest.raises(ValueError, match="2 verdicts need 2 labels, got 3"):
        ConfusionDisplay.from_predictions([True, False, True], [True, False])


def test_what_cannot_be_plotted_is_refused(rows):
    umap = UMAP(n_epochs=5, n_components=1, random_state=0).fit(rows)
    with pytest.raises(ValueError, match="n_components"):
        MapDisplay.from_estimator(umap)
    forest = IsolationForest(n_estimators=2).fit(rows)
    with pytest.raises(ValueError, match="300 labels, got 2"):
        ScoreDisplay.from_estimator(forest, rows, [0, 1])
