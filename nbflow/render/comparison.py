"""Two runs side by side as a piece of HTML: the table of a `Comparison`, with what differs set off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.render.names import escape
from nbflow.render.palette import palette_css

if TYPE_CHECKING:
    from nbflow.engine.compare import Comparison
    from nbflow.render.mimebundle import Bundle

_MOST_ROWS = 500
# What differs is bold and says so in a word; colour alone would not do.
_CSS = """\
.nbflow-compare{font:13px/1.45 system-ui,-apple-system,"Segoe UI",Helvetica,"DejaVu Sans",sans-serif;\
color:var(--nbflow-text);background:var(--nbflow-fill);padding:8px 10px;border-radius:6px;overflow:auto}
.nbflow-compare table{border-collapse:collapse;color:inherit;border:0}
.nbflow-compare th,.nbflow-compare td{text-align:left;padding:2px 12px 2px 0;background:none;border:0;\
border-bottom:1px solid var(--nbflow-stroke);color:inherit;vertical-align:top}
.nbflow-compare .nbflow-differs td{font-weight:600}"""


def comparison_bundle(comparison: Comparison) -> Bundle:
    """Show two runs as a table."""
    head, *rows = comparison.rows()
    first = len(rows) - len(comparison.tasks)
    differing = {first + i for i, task in enumerate(comparison.tasks) if task.differs}
    differing |= {1 + i for i, one in enumerate(comparison.parameters) if one.value == "different"}
    marks = ["nbflow-differs" if i in differing else "nbflow-same" for i in range(len(rows))]
    cells = [
        f'<tr class="{mark}">{"".join(f"<td>{escape(cell, 200)}</td>" for cell in row)}</tr>'
        for mark, row in zip(marks[:_MOST_ROWS], rows[:_MOST_ROWS], strict=True)
    ]
    more = f"<div>... and {len(rows) - _MOST_ROWS} more</div>" if len(rows) > _MOST_ROWS else ""
    page = (
        f'<div class="nbflow-compare nbflow-page"><style>{palette_css((), ())}\n{_CSS}</style>'
        f"<table><thead><tr>{''.join(f'<th>{escape(cell, 200)}</th>' for cell in head)}</tr></thead>"
        f"<tbody>{''.join(cells)}</tbody></table>{more}</div>"
    )
    return {"text/html": page, "text/plain": comparison.text()}
