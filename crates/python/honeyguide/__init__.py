"""Anomaly detection on the logs of Linux hosts, and isolation forests and UMAP with the names of scikit-learn.

scikit-learn is imported when an estimator is used for the first time, so that importing this package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from honeyguide._native import VERSION as __version__

if TYPE_CHECKING:
    from honeyguide._displays import ConfusionDisplay as ConfusionDisplay
    from honeyguide._displays import MapDisplay as MapDisplay
    from honeyguide._displays import ScoreDisplay as ScoreDisplay
    from honeyguide._forest import IsolationForest as IsolationForest
    from honeyguide._pipeline import Model as Model
    from honeyguide._pipeline import Report as Report
    from honeyguide._pipeline import Table as Table
    from honeyguide._pipeline import inspect as inspect
    from honeyguide._pipeline import read as read
    from honeyguide._pipeline import set_num_threads as set_num_threads
    from honeyguide._pipeline import sql as sql
    from honeyguide._pipeline import train as train
    from honeyguide._umap import UMAP as UMAP

_MODULES = {
    "IsolationForest": "honeyguide._forest",
    "UMAP": "honeyguide._umap",
    "ConfusionDisplay": "honeyguide._displays",
    "MapDisplay": "honeyguide._displays",
    "ScoreDisplay": "honeyguide._displays",
    "Model": "honeyguide._pipeline",
    "Report": "honeyguide._pipeline",
    "Table": "honeyguide._pipeline",
    "inspect": "honeyguide._pipeline",
    "read": "honeyguide._pipeline",
    "set_num_threads": "honeyguide._pipeline",
    "sql": "honeyguide._pipeline",
    "train": "honeyguide._pipeline",
}

__all__ = [
    "UMAP",
    "ConfusionDisplay",
    "IsolationForest",
    "MapDisplay",
    "Model",
    "Report",
    "ScoreDisplay",
    "Table",
    "__version__",
    "inspect",
    "read",
    "set_num_threads",
    "sql",
    "train",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'honeyguide' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
