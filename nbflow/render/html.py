"""The drawing as a piece of HTML for a cell's output: a heading, the picture, and a table folded away.

It is the same for the same flow and states, every time: no addresses, and no times.
"""

from __future__ import annotations

import hashlib
import itertools
from html import escape as html_escape
from typing import TYPE_CHECKING

from nbflow.core.counted_tasks import said_tasks
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.errors import RenderError
from nbflow.render.build import Fold, GraphLike, draw
from nbflow.render.names import escape
from nbflow.render.palette import WARNING_CSS, palette_css
from nbflow.render.status_marks import BlockStatuses, Marks, Notes, States, marks, state_name, summary
from nbflow.render.svg import svg
from nbflow.render.text import message, nodes_with_blocks
from nbflow.render.text import text as plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.task import Task
    from nbflow.render.drawing import Drawing
    from nbflow.render.layout import Layout

# Beyond these, laying out takes seconds and nobody finds anything in the result.
MOST_NODES, _MOST_LINES = 1_500, 500

PAGE_CSS = """\
.nbflow-html{font:13px/1.45 system-ui,-apple-system,"Segoe UI",Helvetica,"DejaVu Sans",sans-serif;\
color:var(--nbflow-text);background:var(--nbflow-fill);padding:8px 10px;border-radius:6px;max-width:100%}
.nbflow-html .nbflow-head{display:flex;gap:.8em;align-items:baseline;flex-wrap:wrap;margin:0 0 6px}
.nbflow-html .nbflow-head b{font-size:14px}
.nbflow-html .nbflow-picture{overflow:auto}
.nbflow-html details{margin-top:6px}
.nbflow-html summary{cursor:pointer}
.nbflow-html table.nbflow-table{border-collapse:collapse;margin:6px 0 0;font-size:12px;color:inherit;border:0}
.nbflow-html .nbflow-table th,.nbflow-html .nbflow-table td{text-align:left;padding:2px 10px 2px 0;\
background:none;border:0;border-bottom:1px solid var(--nbflow-stroke);color:inherit;\
vertical-align:top;white-space:pre-wrap}
.nbflow-html .nbflow-badge{display:inline-block;white-space:nowrap;color:var(--nbflow-text);\
background:var(--nbflow-fill);border:1px solid var(--nbflow-stroke);border-radius:9px;padding:0 7px}
.nbflow-html pre{white-space:pre;overflow:auto;margin:0;color:inherit;background:none}"""

GONE_CSS = f"{WARNING_CSS};padding:4px 10px;margin-top:4px"


def html(
    graph: GraphLike | Drawing,
    states: States | None = None,
    block_status: BlockStatuses | None = None,
    *,
    title: str | None = None,
    note: str | None = None,
    prefix: str | None = None,
    horizontal: bool = False,
    fold: Fold = "auto",
    with_table: bool | None = None,
    layout: Layout | None = None,
    failed: Sequence[tuple[str, str]] = (),
    steps: Sequence[tuple[str, str]] = (),
    notes: Notes | None = None,
) -> str:
    """Return one `<div>` with the picture, or the text listing where nothing can draw.

    Args:
        graph: A flow, a run's compiled graph, or the `Drawing` of one.
        states: The tasks' states; None shows the structure alone.
        block_status: What the blocks' resources are doing.
        title: The heading; the flow's name by default.
        note: What stands beside the heading; by default how many tasks are in which state.
        prefix: The start of every id; by default made from the contents, so the same picture has the same ids.
        horizontal: From left to right instead of from top to bottom.
        fold: See `nbflow.render.draw`.
        with_table: Whether a table of the tasks follows; by default if there are states.
        layout: The layout of `graph`, a drawing, where it is known already.
        failed: What failed, and where: above the picture, since it is what one looks for.
        steps: What can be done about it, each with the line that does it.
        notes: What is to be known of tasks beside their states.
    """
    drawing = draw(graph, fold=fold)
    shown = marks(drawing, states or {}, block_status, notes)
    prefix = prefix or _prefix(drawing, shown)
    try:
        if layout is None and len(drawing.nodes) > MOST_NODES:
            raise RenderError(f"a picture of {len(drawing.nodes)} nodes would be too large, so they are listed")
        picture = svg(drawing, states, block_status, prefix=prefix, horizontal=horizontal, layout=layout, notes=notes)
    except RenderError as error:
        lines = plain_text(drawing, states, block_status).split("\n")
        listing = "\n".join(lines[:_MOST_LINES]) + _more(len(lines))
        picture = f"<pre>{html_escape(listing)}</pre>\n<div>{escape(error, 400)}</div>"
    missing = _missing(drawing)
    if note is None:
        note = summary(states) if states else said_tasks(_tasks(drawing) - missing.keys())
        note += f" · {len(missing)} missing" if missing else ""
    folded = "<div>folded, for its size</div>" if drawing.folded and fold == "auto" else ""
    parts = [
        '<div class="nbflow-html nbflow-page">',
        f"<style>\n{palette_css(_names(states, shown), ())}\n{PAGE_CSS}\n</style>",
        f'<div class="nbflow-head"><b>{escape(drawing.name if title is None else title)}</b>'
        f"<span>{escape(note)}</span></div>",
    ]
    parts += [
        f'<div style="{GONE_CSS}">✗ {escape(said, 400)}'
        + (f'<div style="font-family:monospace">{escape(place, 400)}</div>' if place else "")
        + "</div>"
        for said, place in failed
    ]
    if steps:
        listed = "".join(f"<li>{escape(said, 200)}: <code>{escape(line, 300)}</code></li>" for said, line in steps)
        parts.append(f'<details open><summary>Next steps</summary><ul style="margin:2px 0">{listed}</ul></details>')
    parts.append(f'<div class="nbflow-picture">{picture}</div>{folded}')
    parts += [
        f'<div style="{GONE_CSS}">? {escape(problem, 400)}</div>'
        for problems in missing.values()
        for problem in problems
    ]
    if notes and states is None:
        parts += [f"<div>{escape(task.name, 80)}: {escape(said, 300)}</div>" for task, said in notes.items()]
    if states is not None if with_table is None else with_table:
        parts.append(_table(drawing, shown, states))
    return "\n".join([*parts, "</div>"])


def _table(drawing: Drawing, shown: Marks, states: States | None) -> str:
    rows = [
        f"<tr><td>{escape(node.name, 80)}</td><td>{escape(box, 120)}</td>"
        f'<td><span class="nbflow-badge nbflow-state-{mark.name}">{escape(mark.line)}</span></td>'
        f"<td>{escape(message(node, states))}</td></tr>"
        for node, box in itertools.islice(nodes_with_blocks(drawing), _MOST_LINES)
        for mark in [shown.nodes[node.key]]
    ]
    return (
        "<details><summary>Tasks</summary>"
        '<table class="nbflow-table"><thead><tr><th>task</th><th>block</th><th>state</th><th>message</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table>{_more(len(drawing.nodes))}</details>"
    )


def _more(count: int) -> str:
    return f"\n... and {count - _MOST_LINES} more" if count > _MOST_LINES else ""


def _tasks(drawing: Drawing) -> set[Task]:
    return {task for node in drawing.nodes.values() for task in node.tasks}


def _missing(drawing: Drawing) -> dict[object, list[str]]:
    """Return what is missing, with a sentence for each cell that uses it."""
    tasks = (task for node in drawing.nodes.values() if node.kind == "missing" for task in node.tasks)
    return {task: [str(error) for error in task.errors] for task in tasks if isinstance(task, PlaceholderTask)}


def _names(states: States | None, shown: Marks) -> set[str]:
    return {state_name(s) for s in (states or {}).values()} | {mark.name for mark in shown.nodes.values()}


def _prefix(drawing: Drawing, shown: Marks) -> str:
    content = repr((drawing.name, drawing.edges, shown))
    return "nbflow-" + hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:8]
