"""The types of the native half of the package."""

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

VERSION: str

# Only in a build with the pipeline.
def run_command(arguments: Sequence[str]) -> int: ...

@final
class Forest:
    @staticmethod
    def fit(
        rows: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        *,
        n_estimators: int,
        max_samples: int | float | None,
        contamination: float | None,
        max_features: int | float,
        bootstrap: bool,
        extension_level: int,
        novelty: str,
        cardinalities: Sequence[int | None],
        seed: int,
        n_threads: int,
    ) -> Forest: ...
    def grown(
        self,
        rows: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
        n_more: int,
        n_threads: int,
    ) -> Forest: ...
    def score_samples(self, rows: NDArray[np.float64], offset: float, n_threads: int) -> NDArray[np.float64]: ...
    def path_lengths(self, rows: NDArray[np.float64], n_threads: int) -> NDArray[np.float64]: ...
    def shap_values(self, rows: NDArray[np.float64], n_threads: int) -> NDArray[np.float64]: ...
    def expected_value(self) -> float: ...
    def to_json(self) -> str: ...
    @staticmethod
    def from_json(text: str) -> Forest: ...
    def __reduce__(self) -> tuple[Callable[[str], Forest], tuple[str]]: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_estimators(self) -> int: ...
    @property
    def max_samples(self) -> int: ...
    @property
    def offset(self) -> float: ...
    @property
    def seed(self) -> int: ...
