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
