"""The isolation forest as an estimator of scikit-learn."""

import json
import os
import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from honeyguide import _files, _rows, _settings
from honeyguide._native import Forest

if TYPE_CHECKING:
    import shap

# The parameters that must not change between fits with warm_start, because all trees have them in common.
_SHARED = ("max_samples", "contamination", "max_features", "bootstrap", "extension_level", "novelty")


class IsolationForest(OutlierMixin, BaseEstimator):
    """Isolation forest with the parameters, attributes and results of scikit-learn's.

    An isolation forest is an ensemble of random trees. Events that few random splits isolate are anomalous. This forest
    also takes missing values, categories and weights, explains its scores exactly, and gives the same bits for the same
    data and seed, for any number of threads and any order of rows.

    Parameters
    ----------
    n_estimators : int, default=100
        The number of trees.
    max_samples : "auto", int or float, default="auto"
        The number of events that each tree draws, or their share. "auto" means 256, or all if there are fewer.
    contamination : "auto" or float, default="auto"
        The share of anomalous training events, in (0, 0.5], which sets the threshold. "auto" flags scores above 0.5.
    max_features : int or float, default=1.0
        The number of features that each tree may split on, or their share.
    bootstrap : bool, default=False
        Whether trees draw events with replacement.
    n_jobs : int or None, default=None
        The number of threads. None means all processors, within the limit of OMP_NUM_THREADS, and one in a worker of
        joblib without this limit; -1 means all.
    random_state : int, RandomState instance or None, default=None
        The seed. None draws a seed, which `seed_` keeps.
    verbose : int, default=0
        Above 0, progress is shown from the beginning, and also where the output is neither a terminal nor a notebook. Needs
        the package tqdm.
    warm_start : bool, default=False
        Whether `fit` adds trees to those that are there.
    extension_level : int, default=0
        Level 0 splits on single features; level k splits on hyperplanes over up to k + 1 features (Hariri et al. 2019).
    novelty : {"plain", "range"}, default="plain"
        With "range", an event beyond the range of the training events is more anomalous the farther it lies outside.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        The features that are categories: names, numbers or booleans. "from_dtype" takes the columns of a data frame
        whose type is a type of categories.

    Attributes
    ----------
    offset_ : float
        `decision_function` is `score_samples` minus `offset_`.
    max_samples_ : int
        The number of events that each tree drew.
    seed_ : int
        The seed that determined every random choice.
    categories_ : list
        The categories of each feature, None for a feature of numbers.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of str
        The names of the features, if all were text in `fit`.

    Examples
    --------
    >>> from honeyguide import IsolationForest
    >>> forest = IsolationForest(random_state=0).fit([[-1.1], [0.3], [0.5], [100]])
    >>> forest.predict([[0.1], [0], [90]])
    array([ 1,  1, -1])
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "max_features": [Interval(Integral, 1, None, closed="left"), Interval(RealNotInt, 0, 1, closed="right")],
        "bootstrap": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "extension_level": [Interval(Integral, 0, None, closed="left")],
        "novelty": [StrOptions({"plain", "range"})],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    }

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_samples: str | int | float = "auto",
        contamination: str | float = "auto",
        max_features: int | float = 1.0,
        bootstrap: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
        extension_level: int = 0,
        novelty: str = "plain",
        categorical_features: Any = "from_dtype",
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.contamination = contamination
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.extension_level = extension_level
        self.novelty = novelty
        self.categorical_features = categorical_features

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fits the forest on the rows of `X`.

        A row of weight w counts as w equal rows. Weights that are not whole numbers are relative frequencies: events are
        then drawn with replacement, in proportion to the weights.
        """
        X = _rows.frame(X)
        grows = self.warm_start and hasattr(self, "_forest")
        categories = self.categories_ if grows else _rows.find_categories(X, self.categorical_features)
        rows = _rows.encoded(self, X, categories, reset=not grows)
        weights = _rows.weights(sample_weight, rows)
        threads = _settings.threads(self.n_jobs, self.verbose)
        forest = self._grown(rows, weights, threads) if grows else self._new(rows, weights, categories, threads)
        self._take(forest, categories)
        self._shared = {name: getattr(self, name) for name in _SHARED}
        return self

    def _new(
        self,
        rows: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        categories: _rows.Categories,
        threads: tuple[int, bool],
    ) -> Forest:
        n_events = len(rows) if weights is None else weights.sum()
        if isinstance(self.max_samples, Integral) and self.max_samples > n_events:
            warnings.warn(
                f"max_samples ({self.max_samples}) is greater than the number of events ({n_events:g}), "
                "all of which each tree draws",
                stacklevel=4,
            )
        share_or_count = {
            name: int(value) if isinstance(value, Integral) else float(value)
            for name, value in (("max_samples", self.max_samples), ("max_features", self.max_features))
            if value != "auto"
        }
        return Forest.fit(
            rows,
            weights,
            n_estimators=int(self.n_estimators),
            max_samples=share_or_count.get("max_samples"),
            contamination=None if self.contamination == "auto" else float(self.contamination),
            max_features=share_or_count["max_features"],
            bootstrap=bool(self.bootstrap),
            extension_level=int(self.extension_level),
            novelty=self.novelty,
            cardinalities=[None if known is None else len(known) for known in categories] if categories else [],
            seed=_settings.seed_of(self.random_state),
            threads=threads,
        )

    def _grown(self, rows: NDArray[np.float64], weights: NDArray[np.float64] | None, threads: tuple[int, bool]) -> Forest:
        for name, before in self._shared.items():
            if getattr(self, name) != before:
                raise ValueError(
                    f"warm_start adds trees with the parameters of the first fit, but {name} was {before!r} and is now "
                    f"{getattr(self, name)!r}: set warm_start=False to fit all trees anew"
                )
        n_more = self.n_estimators - self._forest.n_estimators
        if n_more < 0:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to the number of trees that are there, "
                f"{self._forest.n_estimators}, when warm_start=True"
            )
        if n_more == 0:
            warnings.warn("Warm-start fitting without increasing n_estimators does not fit new trees.", stacklevel=4)
        return self._forest.grown(rows, weights, n_more, threads)

    def _take(self, forest: Forest, categories: _rows.Categories) -> None:
        """Makes the attributes of a fitted estimator."""
        self._forest = forest
        self.categories_ = categories
        self.offset_ = forest.offset
        self.max_samples_ = forest.max_samples
        self.seed_ = forest.seed

    def _values(self, X: Any) -> NDArray[np.float64]:
        """Returns the rows of `X` for the fitted forest, without a copy if `X` is an array of 64-bit floats in C order."""
        self._check_is_fitted()
        if _rows.is_plain(X, self.n_features_in_):
            if not hasattr(self, "feature_names_in_") and not self._has_categories():
                return X
        return _rows.encoded(self, _rows.frame(X), self.categories_, reset=False)

    def _check_is_fitted(self) -> None:
        # scikit-learn's check takes longer than the score of a row.
        if "_forest" not in self.__dict__:
            check_is_fitted(self, "_forest")

    def _has_categories(self) -> bool:
        return any(known is not None for known in self.categories_)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Returns the opposite of the anomaly score of each row, in [-1, 0). Lower is more anomalous."""
        return self._scores(X, 0.0)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Returns `score_samples(X) - offset_`, which is negative for anomalies."""
        self._check_is_fitted()
        return self._scores(X, self.offset_)

    def _scores(self, X: Any, offset: float) -> NDArray[np.float64]:
        rows = self._values(X)
        return self._forest.score_samples(rows, offset, _settings.threads(self.n_jobs, self.verbose))

    def predict(self, X: Any) -> NDArray[np.int_]:
        """Returns -1 for anomalies and 1 for other rows."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> NDArray[np.int_]:
        """Fits the forest on the rows of `X`, and returns -1 for anomalies among them and 1 for other rows."""
        # A stream can be read only once.
        return super().fit_predict(_rows.frame(X), y, **kwargs)

    def path_lengths(self, X: Any) -> NDArray[np.float64]:
        """Returns the mean number of splits that isolate each row, over the trees. Fewer are more anomalous."""
        rows = self._values(X)
        return self._forest.path_lengths(rows, _settings.threads(self.n_jobs, self.verbose))

    @property
    def expected_value_(self) -> float:
        """The mean path length of the events that the trees were grown on, in splits."""
        self._check_is_fitted()
        return self._forest.expected_value()

    def shap_values(self, X: Any) -> NDArray[np.float64]:
        """Returns the Shapley values of the path length, one for each row and feature, in splits.

        `expected_value_` plus the values of a row is its path length. A negative value makes the row more anomalous. The
        unit and the sign are those of shap's TreeExplainer for scikit-learn's forest.
        """
        rows = self._values(X)
        return self._forest.shap_values(rows, _settings.threads(self.n_jobs, self.verbose))

    def explain(self, X: Any) -> "shap.Explanation":
        """Returns the Shapley values as a `shap.Explanation`, which shap's plots take. Needs the package shap."""
        X = _rows.frame(X)
        values = self.shap_values(X)
        try:
            import shap
        except ImportError as error:
            raise ImportError("explain needs shap: pip install 'honeyguide[shap]', or use shap_values") from error
        # Some of shap's plots need names; these are the ones that its other plots give to features without any.
        unnamed = [f"Feature {number}" for number in range(self.n_features_in_)]
        return shap.Explanation(
            values=values,
            base_values=np.full(len(values), self.expected_value_),
            data=np.asarray(X),
            feature_names=list(getattr(self, "feature_names_in_", unnamed)),
        )

    def feature_importances(self, X: Any, sample_weight: ArrayLike | None = None) -> NDArray[np.float64]:
        """Returns the mean absolute Shapley value of each feature over the rows of `X`, in splits."""
        values = np.abs(self.shap_values(X))
        return np.average(values, axis=0, weights=None if sample_weight is None else np.asarray(sample_weight))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted forest to a JSON file, which `load` and the command `honeyguide import` read."""
        self._check_is_fitted()
        data = {**json.loads(self._forest.to_json()), "offset": float(self.offset_)}
        more = {"categories": self.categories_} if self._has_categories() else {}
        _files.write(path, self, "forest", data, **more)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted forest as a graph of ONNX, which scores doubles as this forest does. Needs the package onnx.

        The input `X` takes codes in the place of categories: the place of a category in `categories_`, any other number for
        one that is not there, and NaN for a missing value. The outputs `label` and `scores` are `predict` and
        `decision_function`.
        """
        self._check_is_fitted()
        from honeyguide._native import VERSION
        from honeyguide._onnx import model_of

        try:
            model = model_of(json.loads(self._forest.to_json()), float(self.offset_), VERSION)
        except ImportError as error:
            raise ImportError("to_onnx needs onnx: pip install 'honeyguide[onnx]'") from error
        _files.write_bytes(path, model.SerializeToString())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a forest that `save` has written. Everything in the file is checked, and no code in it is run."""
        content = _files.read(path, "forest")
        try:
            return cls._from_file(content)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    @classmethod
    def _from_file(cls, content: dict[str, Any]) -> Self:
        forest = Forest.from_json(json.dumps(content["forest"]))
        params = content["forest"]["params"]
        loaded = cls(**{name: _files.parameter(params[name]) for name in ("n_estimators", *_SHARED) if name in params})
        categories = _known(content.get("categories"), params.get("column_kinds"), forest.n_features)
        loaded.set_params(random_state=_files.random_state(forest.seed))
        if any(known is not None for known in categories):
            named = [number for number, known in enumerate(categories) if known is not None]
            loaded.set_params(categorical_features=named)
        _files.name_features(loaded, content, forest.n_features)
        loaded._take(forest, categories)
        loaded._shared = {name: getattr(loaded, name) for name in _SHARED}
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        # JSON in the place of the forest lets skops and other readers without pickle check it.
        state = dict(super().__getstate__())
        if "_forest" in state:
            state["_forest"] = state["_forest"].to_json()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "_forest" in state:
            state["_forest"] = Forest.from_json(state["_forest"])
        super().__setstate__(state)


def _known(categories: Any, kinds: Any, n_features: int) -> _rows.Categories:
    """Returns the categories of a file after a check that they are those of the forest's columns."""
    known = [None] * n_features if categories is None else categories
    if not isinstance(known, list) or not all(labels is None or isinstance(labels, list) for labels in known):
        raise ValueError("categories must be a list or null for each column")
    for labels in known:
        if labels is not None and len(_rows.distinct(labels)) != len(labels):
            raise ValueError("the categories of a column must differ, and none may be null")
    kinds = kinds or ["numeric"] * n_features
    counts = [None if kind == "numeric" else kind["categorical"]["cardinality"] for kind in kinds]
    if [None if labels is None else len(labels) for labels in known] != counts:
        raise ValueError("the forest's categories do not fit its columns")
    return known
