"""UMAP as an estimator of scikit-learn."""

import json
import os
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from honeyguide import _files, _rows, _settings
from honeyguide._native import Embedding

_PARAMETERS = (
    "n_neighbors",
    "n_components",
    "metric",
    "n_epochs",
    "learning_rate",
    "init",
    "min_dist",
    "spread",
    "set_op_mix_ratio",
    "local_connectivity",
    "repulsion_strength",
    "negative_sample_rate",
)


class UMAP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """UMAP with the parameters, attributes and methods of umap-learn's.

    UMAP embeds rows of many features as points in few dimensions (McInnes, Healy & Melville 2018). The same data and seed
    give the same bits, for any number of threads and any order of rows. Equal rows are one point. A new row is placed by
    itself: its coordinates do not depend on the other rows of the call.

    Parameters
    ----------
    n_neighbors : int, default=15
        The size of a row's neighbourhood, including the row.
    n_components : int, default=2
        The number of dimensions of the embedding.
    metric : {"euclidean", "manhattan", "chebyshev", "cosine", "correlation"}, default="euclidean"
        The distance between rows.
    n_epochs : int or None, default=None
        The number of passes over the graph. None means 500 for up to 10,000 distinct rows, and 200 for more.
    learning_rate : float, default=1.0
        The learning rate of the first epoch, which then falls to 0.
    init : {"spectral", "random"}, default="spectral"
        How the coordinates before the first epoch are found.
    min_dist : float, default=0.1
        The least distance between neighbours in the embedding.
    spread : float, default=1.0
        The scale of the embedding.
    set_op_mix_ratio : float, default=1.0
        Whether an edge needs one row to be a neighbour of the other (1) or each of the other (0).
    local_connectivity : float, default=1.0
        The number of neighbours to which each row is fully connected.
    repulsion_strength : float, default=1.0
        The factor on repulsion.
    negative_sample_rate : int, default=5
        The number of rows that repel a row for each that attracts it.
    random_state : int, RandomState instance or None, default=None
        The seed. None draws a seed, which `seed_` keeps.
    n_jobs : int or None, default=None
        The number of threads. None means all processors, within the limit of OMP_NUM_THREADS; -1 means all.
    verbose : bool, default=False
        Whether progress is shown from the beginning, and also where the output is neither a terminal nor a notebook. Needs
        the package tqdm.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components), float32
        The coordinates of the rows of `fit`. A loaded estimator has those of the distinct rows.
    seed_ : int
        The seed that determined every random choice.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of str
        The names of the features, if all were text in `fit`.
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_neighbors": [Interval(Integral, 2, 4096, closed="both")],
        "n_components": [Interval(Integral, 1, 256, closed="both")],
        "metric": [StrOptions({"euclidean", "manhattan", "chebyshev", "cosine", "correlation"})],
        "n_epochs": [Interval(Integral, 0, 1 << 20, closed="both"), None],
        "learning_rate": [Interval(Real, 0, 1000, closed="right")],
        "init": [StrOptions({"spectral", "random"})],
        "min_dist": [Interval(Real, 0, 1000, closed="both")],
        "spread": [Interval(Real, 0.001, 1000, closed="both")],
        "set_op_mix_ratio": [Interval(Real, 0, 1, closed="both")],
        "local_connectivity": [Interval(Real, 0, 10_000, closed="both")],
        "repulsion_strength": [Interval(Real, 0, 1000, closed="both")],
        "negative_sample_rate": [Interval(Integral, 0, 1024, closed="both")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_neighbors: int = 15,
        n_components: int = 2,
        *,
        metric: str = "euclidean",
        n_epochs: int | None = None,
        learning_rate: float = 1.0,
        init: str = "spectral",
        min_dist: float = 0.1,
        spread: float = 1.0,
        set_op_mix_ratio: float = 1.0,
        local_connectivity: float = 1.0,
        repulsion_strength: float = 1.0,
        negative_sample_rate: int = 5,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.metric = metric
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.init = init
        self.min_dist = min_dist
        self.spread = spread
        self.set_op_mix_ratio = set_op_mix_ratio
        self.local_connectivity = local_connectivity
        self.repulsion_strength = repulsion_strength
        self.negative_sample_rate = negative_sample_rate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fits an embedding of the rows of `X`. `y` is ignored.

        Rows of weight 0 take no part and are placed like new rows. Other weights make no difference, because equal rows are
        one point.
        """
        rows = _rows.numeric(self, _rows.frame(X), reset=True, allow_nan=False)
        embedding = Embedding.fit(
            rows,
            _rows.weights(sample_weight, rows),
            **{name: getattr(self, name) for name in _PARAMETERS},
            seed=_settings.seed_of(self.random_state),
            threads=_settings.threads(self.n_jobs, self.verbose),
        )
        self._take(embedding)
        return self

    def _take(self, embedding: Embedding) -> None:
        """Makes the attributes of a fitted estimator."""
        self._embedding = embedding
        self.embedding_ = embedding.coordinates()
        self.seed_ = embedding.seed

    def fit_transform(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> NDArray[np.float32]:
        """Fits an embedding of the rows of `X` and returns their coordinates. `y` is ignored."""
        return self.fit(X, sample_weight=sample_weight).embedding_

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Places the rows of `X` in the embedding and returns their coordinates.

        A row of the fit gets its coordinates. The others are placed one by one: the result for a row depends on the row and
        the embedding alone.
        """
        check_is_fitted(self, "_embedding")
        rows = _rows.numeric(self, _rows.frame(X), reset=False, allow_nan=False)
        return self._embedding.transform(rows, _settings.threads(self.n_jobs, self.verbose))

    @property
    def _n_features_out(self) -> int:
        return self.embedding_.shape[1]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the fitted embedding to a JSON file, which `load` reads."""
        check_is_fitted(self, "_embedding")
        _files.write(path, self, "umap", json.loads(self._embedding.to_json()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads an embedding that `save` has written. Everything in the file is checked, and no code in it is run."""
        content = _files.read(path, "umap")
        data = content["umap"]
        try:
            embedding = Embedding.from_json(json.dumps(data), _settings.threads(None))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None
        params = {name: _files.parameter(data["params"][name]) for name in _PARAMETERS}
        params["n_epochs"] = None if params["n_epochs"] == "auto" else params["n_epochs"]
        loaded = cls(**params, random_state=_files.random_state(embedding.seed))
        _files.name_features(loaded, content, embedding.n_features)
        loaded._take(embedding)
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        # JSON in the place of the embedding lets skops and other readers without pickle check it.
        state = dict(super().__getstate__())
        if "_embedding" in state:
            state["_embedding"] = state["_embedding"].to_json()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "_embedding" in state:
            state["_embedding"] = Embedding.from_json(state["_embedding"], _settings.threads(None))
        super().__setstate__(state)
