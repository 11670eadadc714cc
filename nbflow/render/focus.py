"""What a cell shows of a large flow when only a part of it has changed: that part, and the rest in counts.

Small flows are shown whole, by `nbflow.render.mimebundle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.state_traits import NOT_RUN
from nbflow.engine.task_notes import notes_of, stale_tasks
from nbflow.errors import RenderError
from nbflow.render.build import draw
from nbflow.render.failure_groups import group_lines
from nbflow.render.held_words import next_steps
from nbflow.render.html import GONE_CSS, MOST_NODES, PAGE_CSS
from nbflow.render.layout import lay_out
from nbflow.render.light_svg import LIGHT_CSS, detail, overview
from nbflow.render.mimebundle import flow_bundle, note_of_run, run_bundle, title_of_run
from nbflow.render.names import escape, one_line
from nbflow.render.neighbourhood import SMALL, around, keys_of
from nbflow.render.palette import palette_css
from nbflow.render.status_marks import marks, state_name, summary
from nbflow.render.style import CELL_CSS, DRAWING_CSS, MISSING_CSS
from nbflow.render.text import table, text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from nbflow.core.graph import Graph
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.render.drawing import Drawing
    from nbflow.render.mimebundle import Bundle
    from nbflow.render.status_marks import Marks

_MOST_ENDED, _MOST_NOTES = 6, 5
_QUIET = frozenset({"parameter", "collection"})


class StepPicture:
    """Shows what has become of a run since this was made, which is before a step."""

    def __init__(self, run: Run) -> None:
        self._run, self._before = run, dict(run.states)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return step_bundle(self._run, self._before)


def step_bundle(run: Run, before: Mapping[Task, State]) -> Bundle:
    """Show where a run stands after a step: what was run, how it ended, and what comes next.

    Args:
        run: The run.
        before: The states of its tasks before the step.
    """
    whole = draw(run.graph)
    if len(run.graph.tasks) <= SMALL:
        return run_bundle(run)
    states, status = dict(run.states), run.block_status
    ended = _ended(whole, run, before)
    following = run.next_task
    here = keys_of(whole, ended[-_MOST_ENDED:] or run.held)
    ahead = keys_of(whole, () if following is None else (following,))
    part = around(whole, [*here, *ahead])
    said = _said(run, ended, following)
    failed, steps = group_lines(states), next_steps(run)
    title, note = title_of_run(run), note_of_run(run)
    shown = marks(whole, states, status, notes_of(run))
    page = _page(
        title,
        f"{note} · {summary(states)}",
        [f"<div>{escape(line, 400)}</div>" for line in said]
        + [f"<div>{escape(words, 200)}: <code>{escape(line, 300)}</code></div>" for words, line in steps],
        [_overview(whole, shown, here, ahead), _detail(part, marks(part, states, status, notes_of(run)), here, True)],
        failed,
        {state_name(state) for state in states.values()} | {mark.name for mark in shown.nodes.values()},
        {mark.name for mark in shown.clusters.values()},
    )
    lines = [f"{title}: {one_line(note, 400)}", *said, summary(states)]
    for line, place in failed:
        lines += [f"✗ {line}", *([f"    {place}"] if place else [])]
    lines += [f"  {line}  {words}" for words, line in steps]
    lines.append(table(part, states, notes=notes_of(run)))
    return {"text/html": page, "text/plain": "\n".join(lines)}


def part_bundle(flow: Graph, tasks: Collection[Task]) -> Bundle:
    """Show what a cell added to a flow, with what stands next to it.

    Args:
        flow: The flow.
        tasks: What the cell added.
    """
    if len(flow.tasks) <= SMALL:
        return flow_bundle(flow)
    whole = draw(flow)
    own = keys_of(whole, tasks)
    if not own:
        return flow_bundle(flow)
    part = around(whole, own)
    shown_tasks = {task for node in part.nodes.values() for task in node.tasks if node.key in whole.nodes}
    stale = stale_tasks(flow)
    notes = {task: f"△ stale, {why}" for task, why in stale.items() if task in shown_tasks}
    kept = dict(list(notes.items())[:_MOST_NOTES])
    others = len(stale) - len(kept)
    more = [f"{others} more are stale; %flow plan {flow.name} stale says why"] if others else []
    shown = marks(part, {}, None)
    missing = [error for task in shown_tasks for error in getattr(task, "errors", ())]
    added = f"{len(tasks)} added by this cell, {len(flow.tasks)} tasks in all"
    page = _page(
        flow.name,
        added,
        [f"<div>{escape(task.name, 80)}: {escape(said, 300)}</div>" for task, said in kept.items()]
        + [f"<div>{escape(line, 300)}</div>" for line in more]
        + [f"<div style='{GONE_CSS}'>? {escape(error, 400)}</div>" for error in missing],
        [_detail(part, shown, own, False)],
        (),
        {NOT_RUN, *(mark.name for mark in shown.nodes.values())},
        {mark.name for mark in shown.clusters.values()},
    )
    head, _, rows = text(part, notes=kept).partition("\n")
    return {"text/html": page, "text/plain": "\n".join([f"{head}: {added}", rows, *more])}


def _ended(whole: Drawing, run: Run, before: Mapping[Task, State]) -> list[Task]:
    """Return the tasks that have ended since, the last one last; parameters only where there is nothing else."""
    found = [task for task, state in run.states.items() if state.is_finished() and state is not before.get(task)]
    quiet = {task for node in whole.nodes.values() if node.kind in _QUIET for task in node.tasks}
    loud = [task for task in found if task not in quiet] or found

    def at(task: Task) -> float:
        known = run.timings.get(task)
        return 0.0 if known is None else known[1] or known[0]

    return sorted(loud, key=at)


def _said(run: Run, ended: Sequence[Task], following: Task | None) -> list[str]:
    states = run.states
    few = [f"{one_line(task.name, 60)}: {state_name(states[task])}" for task in ended[-_MOST_ENDED:]]
    more = len(ended) - len(few)
    said = [f"ran {', '.join(few)}" + (f", and {more} before" if more else "")] if few else []
    if following is not None:
        said.append(f"next: {one_line(following.name, 60)}")
    if run.open_resources:
        said.append(f"open: {', '.join(one_line(name, 40) for name in run.open_resources)}")
    return said


def _overview(whole: Drawing, shown: Marks, here: Collection[str], ahead: Sequence[str]) -> str:
    try:
        if len(whole.nodes) > MOST_NODES:
            return ""
        layout = lay_out(whole, with_lines=True)
    except RenderError:  # the detail says what is missing
        return ""
    return overview(whole, layout, shown, here=here, following=ahead[0] if ahead else None)


def _detail(part: Drawing, shown: Marks, strong: Collection[str], with_lines: bool) -> str:
    try:
        if len(part.nodes) > MOST_NODES:
            raise RenderError(f"a picture of {len(part.nodes)} nodes would be too large")
        layout = lay_out(part, with_lines=with_lines)
    except RenderError as error:
        return f"<div>{escape(error, 400)}</div>"
    return detail(part, layout, shown, strong=strong, with_lines=with_lines)


def _page(
    title: str,
    note: str,
    lines: Sequence[str],
    pictures: Sequence[str],
    failed: Sequence[tuple[str, str]],
    states: Collection[str],
    blocks: Collection[str],
) -> str:
    css = [palette_css({*states, NOT_RUN, "Pending"}, blocks), PAGE_CSS, DRAWING_CSS, LIGHT_CSS, MISSING_CSS, CELL_CSS]
    failures = [
        f"<div style='{GONE_CSS}'>✗ {escape(said, 400)}"
        + (f"<div style='font-family:monospace'>{escape(place, 400)}</div>" if place else "")
        + "</div>"
        for said, place in failed
    ]
    return "\n".join(
        [
            "<div class='nbflow-html nbflow-page'>",
            "<style>\n" + "\n".join(css) + "\n</style>",
            f"<div class='nbflow-head'><b>{escape(title)}</b><span>{escape(note, 400)}</span></div>",
            *lines,
            *failures,
            "<div class='nbflow-parts'>",
            *(f"<div class='nbflow-picture'>{picture}</div>" for picture in pictures if picture),
            "</div>",
            "</div>",
        ]
    )
