"""From what users pass as `X` to rows of 64-bit floats, with categories as codes."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

# The code of a category that is not among those of the fit.
UNSEEN = -1.0

# The values of a category that a file can hold as they are.
Category = str | int | float | bool

# The categories of each column in the order of their codes, and None for a column of numbers.
Categories = list[list[Category] | None]


def is_plain(X: Any, n_features: int) -> bool:
    """Returns whether `X` is an array that can be used as it is, so that no check of scikit-learn is needed."""
    return (
        type(X) is np.ndarray
        and X.dtype == np.float64
        and X.ndim == 2
        and X.shape[1] == n_features
        and X.shape[0] > 0
        and X.flags.c_contiguous
        and X.flags.aligned
    )


def frame(X: Any) -> Any:
    """Returns data of Arrow that are no data frame as one, and anything else as it is.

    NumPy, and so scikit-learn, cannot read tables and streams that have nothing but Arrow's methods. pyarrow or polars reads
    them, whichever is installed.
    """
    is_arrow = hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")
    if not is_arrow or hasattr(X, "__array__"):
        return X
    try:
        import pyarrow
    except ImportError:
        pass
    else:
        return pyarrow.table(X)
    try:
        import polars
    except ImportError as error:
        raise ImportError(f"{type(X).__name__} is data of Arrow, which pyarrow or polars reads: install either") from error
    return polars.DataFrame(X)


def numeric(estimator: Any, X: Any, *, reset: bool, allow_nan: bool) -> NDArray[np.float64]:
    """Returns the values of `X`, all of which are numbers, after scikit-learn's checks."""
    finite = "allow-nan" if allow_nan else True
    values = validate_data(estimator, X, reset=reset, dtype=np.float64, order="C", ensure_all_finite=finite)
    return np.require(values, requirements=["C", "A"])


def weights(sample_weight: Any, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Returns the weights of the rows after a check that they are at least 0 and not all 0."""
    if sample_weight is None:
        return None
    checked = _check_sample_weight(sample_weight, rows, dtype=np.float64)
    if np.any(checked < 0):
        raise ValueError("Negative values in data passed to `sample_weight`: a weight must be at least 0")
    if not np.any(checked > 0):
        raise ValueError("every sample weight is zero: at least one row needs a weight above 0")
    return np.ascontiguousarray(checked)


def encoded(estimator: Any, X: Any, categories: Categories, *, reset: bool) -> NDArray[np.float64]:
    """Returns the values of `X` with codes in the place of categories. NaN is a missing value in either."""
    if not any(known is not None for known in categories):
        return numeric(estimator, X, reset=reset, allow_nan=True)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    rows = np.empty((len(X), len(categories)))
    for number, known in enumerate(categories):
        column = _column(X, number)
        if known is None:
            cells = np.asarray(column)
            if cells.dtype == object:
                # NumPy makes no number of pandas' NA.
                cells = np.asarray([None if _is_missing(cell) else cell for cell in cells.tolist()], dtype=object)
            cells = cells.reshape(-1, 1)
            rows[:, number] = check_array(cells, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")[:, 0]
        else:
            code: dict[Category | None, float] = {category: float(place) for place, category in enumerate(known)}
            code[None] = np.nan
            rows[:, number] = [code.get(label, UNSEEN) for label in _labels(column)]
    return rows


def find_categories(X: Any, categorical_features: Any) -> Categories:
    """Returns the categories of the columns that `categorical_features` names, in ascending order.

    "from_dtype" names the columns of a data frame whose type is a type of categories. An array names columns by their
    numbers or, in a data frame, by their names, or has a boolean for each column.
    """
    n_columns = _n_columns(X)
    if categorical_features is None or n_columns is None:
        return [None] * (n_columns or 0)
    if isinstance(categorical_features, str):
        named = [_is_category(dtype) for dtype in _dtypes(X)] or [False] * n_columns
    else:
        named = _named(X, list(categorical_features), n_columns)
    return [distinct(_labels(_column(X, number))) if is_named else None for number, is_named in enumerate(named)]


def _n_columns(X: Any) -> int | None:
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) == 2:
        return int(shape[1])
    if shape is None and isinstance(X, Sequence) and len(X) > 0 and isinstance(X[0], Sequence):
        return len(X[0])
    return None


def _named(X: Any, wanted: list[Any], n_columns: int) -> list[bool]:
    """Returns for each column whether `wanted` names it."""
    if wanted and all(isinstance(entry, (bool, np.bool_)) for entry in wanted):
        if len(wanted) != n_columns:
            raise ValueError(f"categorical_features has {len(wanted)} booleans, but X has {n_columns} features")
        return [bool(entry) for entry in wanted]
    names = list(_names(X))
    chosen = set()
    for entry in wanted:
        if isinstance(entry, str):
            if entry not in names:
                raise ValueError(f"categorical_features names {entry!r}, which is not a column of X")
            chosen.add(names.index(entry))
        elif isinstance(entry, (int, np.integer)) and -n_columns <= entry < n_columns:
            chosen.add(int(entry) % n_columns)
        else:
            raise ValueError(f"categorical_features has {entry!r}, but X has {n_columns} features")
    return [number in chosen for number in range(n_columns)]


def _names(X: Any) -> Iterable[Any]:
    """Returns the column names of a data frame of pandas or polars or a table of pyarrow."""
    return getattr(X, "column_names", ()) or getattr(X, "columns", ())


def _dtypes(X: Any) -> list[Any]:
    """Returns the types of a data frame's columns, and an empty list for anything else."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None and hasattr(X, "column_names"):
        dtypes = X.schema.types
    return [] if dtypes is None else list(dtypes)


def _is_category(dtype: Any) -> bool:
    """Returns whether a type of pandas, polars or pyarrow is one of categories."""
    return str(dtype).startswith(("category", "Categorical", "Enum", "dictionary"))


def _column(X: Any, number: int) -> Any:
    if hasattr(X, "iloc"):
        return X.iloc[:, number]
    if hasattr(X, "column_names"):
        return X.column(number)
    return X[:, number] if hasattr(X, "shape") else [row[number] for row in X]


def _labels(column: Any) -> list[Category | None]:
    """Returns the values of a column as Python's own, with None for a missing value."""
    convert = next((name for name in ("to_pylist", "to_list", "tolist") if hasattr(column, name)), None)
    values = list(column) if convert is None else getattr(column, convert)()
    return [None if _is_missing(value) else value for value in values]


def _is_missing(value: Any) -> bool:
    # NaN and pandas' NaT differ from themselves; a comparison with pandas' NA is neither true nor false.
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def distinct(labels: Iterable[Category | None]) -> list[Category]:
    """Returns the distinct labels in ascending order, numbers before text, after a check that a file can hold them."""
    present = [label for label in labels if label is not None]
    for label in present:
        if not isinstance(label, (str, int, float, bool)) or (isinstance(label, float) and not math.isfinite(label)):
            raise ValueError(f"a category must be text, a finite number or a boolean, got {label!r}")
    return sorted(set(present), key=lambda label: (isinstance(label, str), label))
