"""Long work shows its progress and can be interrupted."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from honeyguide import UMAP, IsolationForest, _native, _progress

# A process whose bar has a real SIGINT sent, by another thread, as soon as the work has counted a first step.
PRELUDE = """
import os
import signal
import threading

import numpy as np

from honeyguide import UMAP, IsolationForest, _progress

counted = threading.Event()


class Bar:
    def __init__(self, is_verbose):
        pass

    def show(self, what, done, total):
        if done > 0:
            print(what, flush=True)
            counted.set()

    def close(self):
        pass


def interrupt():
    counted.wait()
    os.kill(os.getpid(), signal.SIGINT)


rows = np.random.default_rng(0).normal(size=(1_000_000, 4))
"""

ENDLESS = """
import itertools

import pyarrow as pa

import honeyguide as hg

batch = pa.RecordBatch.from_pydict({"a": list(range(1000))})
endless = pa.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch))
"""

# Each would take minutes or hours, or has no end.
WORK = {
    "fit": ("", "IsolationForest(n_estimators=5000, contamination=0.1, verbose=1).fit(rows)"),
    "score_samples": ("forest = IsolationForest(n_estimators=5000).fit(rows)", "forest.set_params(verbose=1).score_samples(rows)"),
    "explain": ("forest = IsolationForest(n_estimators=1000).fit(rows)", "forest.set_params(verbose=1).explain(rows)"),
    "fit_transform": ("", "UMAP(n_epochs=1_000_000, verbose=True).fit_transform(rows[:5000])"),
    "sql": (ENDLESS, "hg.sql('SELECT count(*) FROM e', tables={'e': endless})"),
}


@pytest.mark.parametrize("method", WORK)
def test_a_signal_interrupts_long_work_which_can_be_done_again(method, tmp_path):
    if method == "sql" and not hasattr(_native, "sql"):
        pytest.skip("a build without the pipeline")
    before, work = WORK[method]
    program = f"""{PRELUDE}
{before}
_progress.Bar = Bar
threading.Thread(target=interrupt, daemon=True).start()
try:
    {work}
except KeyboardInterrupt:
    print("interrupted")
again = IsolationForest(n_estimators=5, random_state=0).fit(rows[:100])
assert again.score_samples(rows[:5000]).shape == (5000,)
print(again.n_estimators, flush=True)
# An endless stream of Python may still be asked for a batch, which an orderly exit would wait for.
os._exit(0)
"""
    arguments = [sys.executable, "-c", program]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    *stages, interrupted, again = result.stdout.splitlines()
    assert (interrupted, again) == ("interrupted", "5") and stages
    if method != "sql":
        assert set(stages) <= {"trees", "rows", "neighbours", "rounds", "epochs"}


class Recorder:
    """A bar that keeps what it is told."""

    def __init__(self):
        self.told = []
        self.closed = 0

    def __call__(self, is_verbose):
        return self

    def show(self, what, done, total):
        self.told.append((what, done, total))

    def close(self):
        self.closed += 1


def test_verbose_work_counts_up_to_its_total(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(_progress, "Bar", recorder)
    rows = np.random.default_rng(0).normal(size=(3000, 4))
    UMAP(n_epochs=2_000, random_state=0, verbose=True).fit(rows)
    epochs = [(done, total) for what, done, total in recorder.told if what == "epochs"]
    assert epochs and recorder.closed == 1
    assert epochs == sorted(epochs) and all(0 <= done <= total == 2_000 for done, total in epochs)


def test_a_signal_is_not_lost_while_the_bar_is_taken_away(monkeypatch):
    class Interrupted(Recorder):
        def close(self):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_progress, "Bar", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        UMAP(n_epochs=500, verbose=True).fit(np.random.default_rng(0).normal(size=(3000, 4)))


def test_an_error_of_the_bar_ends_the_work(monkeypatch):
    class Broken(Recorder):
        def show(self, what, done, total):
            raise OSError("the terminal is gone")

    monkeypatch.setattr(_progress, "Bar", Broken())
    with pytest.raises(OSError, match="the terminal is gone"):
        UMAP(n_epochs=1_000_000, verbose=True).fit(np.random.default_rng(0).normal(size=(3000, 4)))


def test_a_bar_is_drawn_with_tqdm(capsys):
    bar = _progress.Bar(True)
    for what, done, total in [("trees", 1, 10), ("trees", 12, 10), ("rows", 5, None)]:
        bar.show(what, done, total)
    bar.close()
    drawn = capsys.readouterr().err
    assert "trees" in drawn and "rows" in drawn and "/10" in drawn


def test_nothing_is_drawn_without_tqdm_or_where_nobody_looks(capsys, monkeypatch):
    bar = _progress.Bar(False)
    bar.show("trees", 1, 10)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    without = _progress.Bar(True)
    without.show("trees", 1, 10)
    for shown in (bar, without):
        shown.close()
    assert capsys.readouterr() == ("", "")
