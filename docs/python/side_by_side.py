"""Cells of a notebook that do the same in two ways, with the seconds that each took.

`%load_ext side_by_side` brings three magics:

- `%%theirs STEP` and `%%ours STEP` run a cell and keep its text and its seconds. `%%theirs STEP needs PACKAGE` runs it only
  if the package is installed, and says so if not.
- `%side_by_side` shows a table of all steps.
"""

import html
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import HTML


@dataclass
class Cell:
    """A cell that ran, or that did not run because a package is missing."""

    text: str
    seconds: float | None
    missing: str | None = None

    def duration(self) -> str:
        """Returns the seconds of the cell as text."""
        return f"{self.missing} is not installed" if self.seconds is None else f"{self.seconds:.3f}"


@magics_class
class SideBySide(Magics):
    """The magics, and the cells by their step and their side."""

    def __init__(self, shell):
        super().__init__(shell)
        self.cells: dict[str, dict[str, Cell]] = {}

    @cell_magic
    def theirs(self, line, cell):
        """Runs the cell of another library."""
        self._run("theirs", line, cell)

    @cell_magic
    def ours(self, line, cell):
        """Runs the cell of honeyguide."""
        self._run("ours", line, cell)

    @line_magic
    def side_by_side(self, line):
        """Returns the table of all steps."""
        rows = "".join(self._row(step, sides) for step, sides in self.cells.items())
        heads = "".join(f"<th>{name}</th>" for name in ("step", "their cell", "our cell", "their seconds", "our seconds"))
        return HTML(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")

    def _run(self, side, line, cell):
        step, _, package = (part.strip() for part in line.partition(" needs "))
        if package and not is_installed(package):
            print(f"{package} is not installed, so this cell did not run. To run it: pip install {package}")
            found = Cell(cell, None, package)
        else:
            begun = time.perf_counter()
            result = self.shell.run_cell(cell)
            found = Cell(cell, time.perf_counter() - begun)
            result.raise_error()
        self.cells.setdefault(step, {})[side] = found

    def _row(self, step, sides):
        texts = [f"<td><pre>{html.escape(sides[side].text.strip())}</pre></td>" for side in ("theirs", "ours")]
        durations = [f"<td>{sides[side].duration()}</td>" for side in ("theirs", "ours")]
        return f"<tr><td>{html.escape(step)}</td>{''.join(texts)}{''.join(durations)}</tr>"


def is_installed(package):
    """Returns whether a package of this name is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def load_ipython_extension(shell):
    """Registers the magics, as `%load_ext` expects."""
    shell.register_magics(SideBySide)
