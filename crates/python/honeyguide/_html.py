"""Tables and pages in notebooks: HTML whose scripts, if any, are confined, and in which all that comes from data is escaped."""

import html
from collections.abc import Iterable, Sequence

# The greatest numbers of rows, columns and characters of a cell that are shown.
ROWS = 10
COLUMNS = 20
_CHARACTERS = 100


def table(columns: Sequence[str], rows: Iterable[Sequence[str | None]], caption: str) -> str:
    """Returns a table with a caption. A cell without a value is shown as null."""
    head = "".join(f"<th>{_escaped(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return (
        f"<div><small>{html.escape(caption)}</small><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def frame(page: str, title: str) -> str:
    """Returns a page in a frame of its own, whose scripts reach nothing outside of it."""
    return (
        f'<iframe sandbox="allow-scripts" title="{html.escape(title)}" srcdoc="{html.escape(page)}" '
        'style="width: 100%; height: 40em; border: 1px solid #ccc"></iframe>'
    )


def _cell(value: str | None) -> str:
    return "<td><i>null</i></td>" if value is None else f"<td>{_escaped(value)}</td>"


def _escaped(text: str) -> str:
    """Returns a text of bounded length, in which control characters are visible."""
    short = text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"
    visible = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in short)
    return html.escape(visible)
