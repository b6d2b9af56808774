"""What estimators make of the parameters `n_jobs`, `verbose` and `random_state`."""

import multiprocessing
import os
import threading
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
from joblib.parallel import get_active_backend


@lru_cache(maxsize=1)
def _processors() -> int:
    return joblib.cpu_count()


def n_threads(n_jobs: int | None) -> int:
    """Returns the number of threads for `n_jobs`.

    None means all processors, but at most as many as the environment variable OMP_NUM_THREADS says. joblib sets it in
    the processes of its default backend, so that a grid search does not start more threads than there are processors.
    In other workers of joblib None means one thread. Negative numbers count from the end, as in joblib: -1 means all
    processors.
    """
    if n_jobs is None:
        limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        if limit.isdecimal() and int(limit) > 0:
            return min(_processors(), int(limit))
        return 1 if _is_in_worker() else _processors()
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give a number of threads, or -1 for all processors")
    return int(n_jobs) if n_jobs > 0 else max(_processors() + 1 + int(n_jobs), 1)


def _is_in_worker() -> bool:
    """Returns whether this thread works for joblib, beside others that do."""
    # A worker is no main thread of a main process. Where work begins, joblib's own answer would take most of the time.
    is_main = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    return not is_main and (get_active_backend()[0].nesting_level or 0) > 0


def threads(n_jobs: int | None, verbose: int | bool = False) -> tuple[int, bool]:
    """Returns the number of threads for `n_jobs`, and whether progress is shown at once."""
    return n_threads(n_jobs), bool(verbose)


def seed_of(random_state: Any) -> int:
    """Returns the seed for `random_state`: an integer is the seed, and a generator draws it.

    None draws it from NumPy's global generator, as in scikit-learn.
    """
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    generator = np.random.mtrand._rand if random_state is None else random_state
    return int(generator.randint(0, 2**63 - 1, dtype=np.int64))
