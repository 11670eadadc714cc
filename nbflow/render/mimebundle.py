"""What a cell shows for a flow, a run and a state: the same bundle for the same thing, without importing IPython."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.task_notes import notes_of, notes_of_flow, stale_tasks
from nbflow.render.failure_groups import group_lines
from nbflow.render.held_words import held_line, next_steps
from nbflow.render.html import html
from nbflow.render.label_words import label_words, name_words
from nbflow.render.names import escape, one_line
from nbflow.render.palette import palette_css, state_look
from nbflow.render.text import table, text

if TYPE_CHECKING:
    from nbflow.core.graph import Graph
    from nbflow.core.states import State
    from nbflow.engine.run import Run

Bundle = dict[str, str]

_BADGE_CSS = """\
.nbflow-one{font:13px/1.6 system-ui,-apple-system,"Segoe UI",Helvetica,"DejaVu Sans",sans-serif}
.nbflow-one .nbflow-badge{display:inline-block;color:var(--nbflow-text);background:var(--nbflow-fill);\
border:1px solid var(--nbflow-stroke);border-radius:9px;padding:0 8px;margin-right:8px}"""


def flow_bundle(flow: Graph) -> Bundle:
    """Draw the structure of a flow, and say what has changed since its newest run."""
    notes = notes_of_flow(flow)
    for task, why in stale_tasks(flow).items():
        notes[task] = " · ".join(filter(None, (notes.get(task), f"△ stale, {why}")))
    return {"text/html": html(flow, notes=notes), "text/plain": text(flow, notes=notes)}


def run_bundle(run: Run) -> Bundle:
    """Draw a run as it stands now, with how it ended and what failed to be cleaned up."""
    note, title = note_of_run(run), title_of_run(run)
    states, status = dict(run.states), run.block_status
    notes = notes_of(run)
    failed, steps = group_lines(states), next_steps(run)
    lines = [f"{title}: {one_line(note, 400)}"]
    for said, place in failed:
        lines += [f"✗ {said}", f"    {place}"] if place else [f"✗ {said}"]
    width = max((len(line) for _, line in steps), default=0)
    lines += ["next:", *(f"  {line:<{width}}  {said}" for said, line in steps)] if steps else []
    page = html(run.graph, states, status, title=title, note=note, failed=failed, steps=steps, notes=notes)
    return {"text/html": page, "text/plain": "\n".join([*lines, table(run.graph, states, notes=notes)])}


def title_of_run(run: Run) -> str:
    """Return what a run is called, with its flow."""
    called = name_words(run)
    return f"{run.graph.name}, run {run.number}" + (f" ({called})" if called else "")


def note_of_run(run: Run) -> str:
    """Return how a run stands, with what could not be cleaned up and what was kept open."""
    failures = "; ".join(f"{block.name}: {error!r}" for block, error in run.cleanup_failures.items())
    note = held_line(run) or state_look(type(run.state).__name__).label
    if failures:
        note += f" · cleanup failed, the resource may be left: {failures}"
    kept = ", ".join(block.name for block, status in run.block_status.items() if status == "kept")
    if kept:
        note += f" · kept open: {kept}"
    return " · ".join([note, *label_words(run)])


def state_bundle(state: State) -> Bundle:
    """Show a state as its badge and message."""
    name = type(state).__name__
    page = (
        f'<div class="nbflow-one"><style>{palette_css([name], [])}\n{_BADGE_CSS}</style>'
        f'<span class="nbflow-badge nbflow-state-{escape(name)}">{escape(state_look(name).label)}</span>'
        f"{escape(state.message or '', 1_000)}</div>"
    )
    return {"text/html": page, "text/plain": repr(state)}
