"""The JSON files of fitted estimators."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from honeyguide._native import VERSION


def write(path: str | os.PathLike[str], estimator: Any, kind: str, data: dict[str, Any], **more: Any) -> None:
    """Writes a fitted estimator. `kind` is the name of its `data`, and `more` are further entries of the file."""
    content: dict[str, Any] = {"honeyguide": VERSION}
    if hasattr(estimator, "feature_names_in_"):
        content["feature_names"] = list(estimator.feature_names_in_)
    write_bytes(path, json.dumps({**content, **more, kind: data}).encode())


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file that appears complete or not at all."""
    target = Path(path)
    pending = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(pending, "xb") as file:
            file.write(content)
        os.replace(pending, target)
    finally:
        pending.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads the file of an estimator whose data have the name `kind`."""
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get(kind), dict):
        raise ValueError(f"{os.fspath(path)}: not a file with a {kind} that `save` has written")
    return content


def name_features(estimator: Any, content: dict[str, Any], n_features: int) -> None:
    """Gives an estimator the number of features and their names, which the file may not have."""
    names = content.get("feature_names")
    if names is not None:
        if not isinstance(names, list) or len(names) != n_features or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names must be {n_features} texts")
        estimator.feature_names_in_ = np.asarray(names, dtype=object)
    estimator.n_features_in_ = n_features


def parameter(value: Any) -> Any:
    """Returns a parameter from its form in a file, which names what a number is."""
    return next(iter(value.values())) if isinstance(value, dict) else value


def random_state(seed: int) -> int | None:
    """Returns the seed if scikit-learn takes it as `random_state`, which has 32 bits."""
    return seed if seed < 2**32 else None
