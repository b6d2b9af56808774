"""Isolation forests with exact explanations, with scikit-learn's names.

scikit-learn is imported when an estimator is used for the first time, so that importing this package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from honeyguide._forest import IsolationForest as IsolationForest

__all__ = ["IsolationForest"]

_MODULES = {"IsolationForest": "honeyguide._forest"}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'honeyguide' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
