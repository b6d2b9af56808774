"""Bars of tqdm that show how far long work has come."""

import sys
import warnings
from typing import Any


class Bar:
    """A bar for one stage of the work after another.

    Without tqdm it shows nothing. It also shows nothing if the output is neither a terminal nor a notebook, unless
    `is_verbose`.
    """

    def __init__(self, is_verbose: bool) -> None:
        self._make = _tqdm() if is_verbose or sys.stderr.isatty() or _is_in_notebook() else None
        self._what = ""
        self._bar: Any = None

    def show(self, what: str, done: int, total: int | None) -> None:
        """Shows that `done` of `total` are done of the stage `what`."""
        if self._make is None:
            return
        if self._bar is None or what != self._what or done < self._bar.n:
            self.close()
            self._what = what
            self._bar = self._make(desc=what, total=total, leave=False)
        # An expected number can be too low.
        self._bar.total = None if total is None else max(total, done)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _tqdm() -> Any:
    """Returns the class of bars for a terminal or a notebook, and None if tqdm is not installed."""
    try:
        with warnings.catch_warnings():
            # tqdm warns if a notebook has no widgets, and then draws with text.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def _is_in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
