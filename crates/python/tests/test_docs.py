"""The programs of docs/python.md run as they stand there."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from honeyguide import _native

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


@pytest.mark.skipif(not hasattr(_native, "run_command"), reason="a build without the pipeline")
@pytest.mark.filterwarnings("ignore:simulated data:UserWarning")
def test_every_program_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    command = Path(sysconfig.get_path("scripts")) / "honeyguide"
    subprocess.run([command, "simulate", "--out", ".", "--events", "5000"], check=True, capture_output=True)
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(programs) == 5
    namespace: dict[str, object] = {}
    for program in programs:
        exec(compile(program, str(PAGE), "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} >= {"forest.json", "map.json", "model.json", "forest.skops"}
