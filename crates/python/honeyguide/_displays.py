"""Plots as displays of scikit-learn: made from an estimator, drawn with matplotlib."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Bins of a histogram of scores, which lie between 0 and 1.
_BINS = np.linspace(0.0, 1.0, 101)


def _axes(ax: Any) -> Any:
    """Returns the axes to draw on, which are new ones if `ax` is None."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("a display needs matplotlib: pip install 'honeyguide[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax


def _groups(values: NDArray[Any], y: ArrayLike | None) -> list[tuple[str | None, NDArray[Any]]]:
    """Returns the values of each label with its name, or all of them without a name if there are no labels."""
    if y is None:
        return [(None, values)]
    labels = np.asarray(y)
    if len(labels) != len(values):
        raise ValueError(f"{len(values)} rows need {len(values)} labels, got {len(labels)}")
    return [(str(label), values[labels == label]) for label in np.unique(labels)]


class ScoreDisplay:
    """A histogram of the anomaly scores of a forest, for each label, with the threshold.

    The score is the opposite of `score_samples`: it lies between 0 and 1, and higher is more anomalous.

    Attributes
    ----------
    ax_, figure_ : the axes and the figure of the last plot.
    """

    def __init__(self, scores: NDArray[np.float64], threshold: float, y: ArrayLike | None = None) -> None:
        self.scores = scores
        self.threshold = threshold
        self.y = y

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: ArrayLike | None = None, *, ax: Any = None, **kwargs: Any) -> Self:
        """Scores the rows of `X` with a fitted forest and plots the scores."""
        return cls(-estimator.score_samples(X), -estimator.offset_, y).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draws the histogram. `kwargs` go to `matplotlib.axes.Axes.hist`."""
        ax = _axes(ax)
        settings = {"bins": _BINS, "histtype": "stepfilled", "alpha": 0.5, "log": True, **kwargs}
        for name, scores in _groups(self.scores, self.y):
            ax.hist(scores, label=name, **settings)
        ax.axvline(self.threshold, color="black", linestyle="--", label=f"threshold {self.threshold:.4f}")
        ax.set(xlabel="anomaly score", ylabel="events")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ConfusionDisplay:
    """A confusion matrix of verdicts: a row for each label, a column for each verdict, with numbers of events.

    Labels and verdicts are true or false, 1 or 0, or -1 and 1 as in scikit-learn's outlier detection, where -1 is anomalous.

    Attributes
    ----------
    confusion_matrix : ordinary and anomalous events in the rows, and the same verdicts in the columns.
    ax_, figure_ : the axes and the figure of the last plot.
    """

    def __init__(self, confusion_matrix: ArrayLike) -> None:
        self.confusion_matrix = np.asarray(confusion_matrix)
        if self.confusion_matrix.shape != (2, 2):
            raise ValueError(f"a confusion matrix has the shape (2, 2), got {self.confusion_matrix.shape}")

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: ArrayLike, *, ax: Any = None, **kwargs: Any) -> Self:
        """Judges the rows of `X` with a fitted forest and plots the verdicts beside the labels `y`."""
        return cls.from_predictions(y, estimator.predict(X) == -1, ax=ax, **kwargs)

    @classmethod
    def from_predictions(cls, y: ArrayLike, verdicts: ArrayLike, *, ax: Any = None, **kwargs: Any) -> Self:
        """Plots verdicts, such as those of `predict` or the column `anomalous` of scored events, beside labels."""
        truth, flagged = _are_anomalous(y, "label"), _are_anomalous(verdicts, "verdict")
        if len(truth) != len(flagged):
            raise ValueError(f"{len(flagged)} verdicts need {len(flagged)} labels, got {len(truth)}")
        matrix = np.bincount(2 * truth + flagged, minlength=4).reshape(2, 2)
        return cls(matrix).plot(ax, **kwargs)

    @classmethod
    def from_evaluation(
        cls, evaluation: dict[str, Any], label: str | None = None, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plots an answer of `Model.evaluate`. `label` is needed if the data have several labels."""
        found = {entry["label"]: entry["verdicts"] for entry in evaluation["labels"]}
        if label is None and len(found) == 1:
            label = next(iter(found))
        if label not in found:
            labels = ", ".join(map(repr, found)) or "none"
            raise ValueError(f"label must be one of those that were evaluated ({labels}), got {label!r}")
        counts = found[label]
        names = (("true_negatives", "false_positives"), ("false_negatives", "true_positives"))
        return cls([[counts[name] for name in row] for row in names]).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draws the matrix. `kwargs` go to `matplotlib.axes.Axes.imshow`. The colours are shares of the rows."""
        ax = _axes(ax)
        totals = self.confusion_matrix.sum(axis=1, keepdims=True)
        shares = self.confusion_matrix / np.maximum(totals, 1)
        image = ax.imshow(shares, **{"cmap": "Blues", "vmin": 0, "vmax": 1, **kwargs})
        dark = image.norm(shares) > 0.5
        for (row, column), count in np.ndenumerate(self.confusion_matrix):
            colour = "white" if dark[row, column] else "black"
            text = f"{count:,}\n{shares[row, column]:.2%}"
            ax.text(column, row, text, ha="center", va="center", color=colour)
        names = ["ordinary", "anomalous"]
        ax.set(xlabel="verdict", ylabel="label", xticks=[0, 1], xticklabels=names, yticks=[0, 1], yticklabels=names)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _are_anomalous(values: ArrayLike, what: str) -> NDArray[np.int64]:
    """Returns 1 for each value that means an anomalous event, and 0 for the others."""
    array = np.asarray(values)
    if array.dtype == bool:
        return array.astype(np.int64)
    found = set(np.unique(array).tolist()) if array.dtype.kind in "iuf" else {None}
    if found == {1}:
        raise ValueError(f"{what}s that are all 1 mean ordinary events in scikit-learn, and anomalous ones in a log: give booleans")
    if not (found <= {0, 1} or found <= {-1, 1}):
        raise ValueError(f"each {what} must be true or false, 1 or 0, or -1 (anomalous) or 1 (ordinary)")
    return (array == (-1 if -1 in found else 1)).astype(np.int64)


class MapDisplay:
    """A scatter plot of the first two coordinates of a map, coloured by label.

    Attributes
    ----------
    ax_, figure_ : the axes and the figure of the last plot.
    """

    def __init__(self, points: NDArray[np.float32], y: ArrayLike | None = None) -> None:
        self.points = points
        self.y = y

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, y: ArrayLike | None = None, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Places the rows of `X` with a fitted UMAP and plots them. Without `X`, it plots the rows of the fit."""
        points = estimator.embedding_ if X is None else np.asarray(estimator.transform(X))
        if points.shape[1] < 2:
            raise ValueError("a map of one dimension has no scatter plot: fit with n_components of at least 2")
        return cls(points, y).plot(ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draws the points. `kwargs` go to `matplotlib.axes.Axes.scatter`."""
        ax = _axes(ax)
        settings = {"s": 4, "alpha": 0.5, **kwargs}
        for name, points in _groups(self.points, self.y):
            ax.scatter(points[:, 0], points[:, 1], label=name, **settings)
        ax.set(xlabel="UMAP 1", ylabel="UMAP 2", aspect="equal")
        if self.y is not None:
            ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self
