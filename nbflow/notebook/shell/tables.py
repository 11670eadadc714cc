"""A heading and a table, as text and as HTML: what the commands about cells show. The same for the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.display import display

from nbflow.render.names import escape
from nbflow.render.palette import WARNING_CSS

if TYPE_CHECKING:
    from collections.abc import Sequence

# Colours are the page's own, but for the marks: these are legible on light and dark alike.
_CSS = (
    '.nbflow-cells{font:13px/1.5 system-ui,-apple-system,"Segoe UI",Helvetica,"DejaVu Sans",sans-serif}'
    ".nbflow-cells table.nbflow-table{border:0;border-collapse:collapse;color:inherit;margin:4px 0;font-size:12px}"
    ".nbflow-cells .nbflow-table th,.nbflow-cells .nbflow-table td{border:0;text-align:left;"
    "vertical-align:top;padding:3px 14px 3px 0;"
    "background:none;color:inherit;white-space:normal;max-width:46em}"
    ".nbflow-cells .nbflow-table tr{background:none}"
    ".nbflow-cells .nbflow-table th{font-weight:600;opacity:.75}"
    ".nbflow-cells .nbflow-table tbody td{border-top:1px solid rgba(128,128,128,.3)}"
    f".nbflow-cells .nbflow-warning{{{WARNING_CSS};padding:4px 10px;margin:2px 0}}"
)


def bundle(
    heading: str, head: Sequence[str] = (), rows: Sequence[Sequence[str]] = (), *, below: Sequence[str] = ()
) -> dict[str, str]:
    """Return a mime bundle of a heading and a table; columns that are empty in all rows are left out.

    Args:
        heading: What stands above.
        head: The titles of the columns.
        rows: The table.
        below: Sentences that stand below it.
    """
    shown = [i for i in range(len(head)) if any(row[i] for row in rows)]
    cells = [[line[i] for i in shown] for line in (head, *rows)]
    page = [f'<div class="nbflow-cells"><style>{_CSS}</style><div>{escape(heading, 400)}</div>']
    plain = [heading]
    if rows:
        titles = "".join(f"<th>{escape(name)}</th>" for name in cells[0])
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell, 600)}</td>' for cell in line)}</tr>" for line in cells[1:])
        page.append(f'<table class="nbflow-table"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>')
        plain += [f"  {line}" for line in _aligned(cells)]
    page += [f"<div>{escape(line, 600)}</div>" for line in below]
    plain += below
    return {"text/plain": "\n".join(plain), "text/html": "".join([*page, "</div>"])}


def show_warning(*lines: str) -> None:
    """Display sentences that want to be noticed, if there are any."""
    if not lines:
        return
    page = "".join(f'<div class="nbflow-warning">{escape(line, 600)}</div>' for line in lines)
    page = f'<div class="nbflow-cells"><style>{_CSS}</style>{page}</div>'
    display({"text/plain": "\n".join(lines), "text/html": page}, raw=True)


def duration_words(seconds: float) -> str:
    """Return a time that something took, as the panel says it.

    Example:
        >>> [duration_words(one) for one in (0.0042, 3.456, 75, 7_300)]
        ['4 ms', '3.46 s', '1 min 15 s', '2 h 01 min']
    """
    if seconds < 59.95:
        if seconds < 0.0995:
            return f"{round(seconds * 1000)} ms"
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return ["  ".join(c.ljust(width) for c, width in zip(line, widths, strict=True)).rstrip() for line in cells]
