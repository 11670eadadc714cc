"""A plan as plain data for the script, of a size that does not grow with the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.collections import label_of
from nbflow.core.counted_tasks import is_counted
from nbflow.core.data.safe_equality import same
from nbflow.core.parameter import Parameter
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.plan import said
from nbflow.panel.form.literals import in_short
from nbflow.render.names import one_line, safe_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.plan import BlockStep, Plan, Step
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.store import StoredRun

_MOST_ROWS, _MOST_REUSED, _MOST_KEYS = 200, 40, 5_000
NOTHING = {"failed": "Nothing has failed.", "stale": "Everything is up to date."}


def plan_json(plan: Plan, run: Run | StoredRun) -> Json:
    """Describe what a rerun of `run` would do.

    Rows are [key, name, runs (2: it does not, its value is set), why, expected time]: of the tasks that run, and of
    those taken over as long as they are few. `keys` are those of all that runs, to be marked in the graph.
    """
    graph = plan.graph
    shown = [step for step in plan.steps if _is_shown(plan, step)]
    running = [step for step in shown if step.runs]
    reused = [step for step in shown if not step.runs]
    listed = shown if len(reused) <= _MOST_REUSED and len(running) <= _MOST_ROWS else running
    listed = listed[:_MOST_ROWS]
    keys = [safe_key(graph.slugs[step.task]) for step in plan.steps if step.runs]
    opens = [block for block in plan.blocks if block.opens]
    keys += [f"block--{safe_key(graph.slugs[one.block.init_task])}" for one in opens]
    return {
        "is_empty": plan.is_empty and not opens,
        "headline": NOTHING.get(plan.what, "Nothing runs.") if plan.is_empty else _headline(plan, running, reused),
        "rows": [_row(plan, step) for step in listed],
        "more": [len(running) - sum(s.runs for s in listed), len(reused) - sum(not s.runs for s in listed)],
        "blocks": [[one_line(one.block.name, 60), _why(one)] for one in opens[:_MOST_REUSED]],
        "closed": len(plan.blocks) - len(opens),
        "parameters": _changes(plan, run.parameters),
        "gone": [one_line(slug, 80) for slug in plan.gone[:_MOST_REUSED]],
        "keys": [] if plan.is_empty else keys[:_MOST_KEYS],
    }


def signature(plan: Plan) -> tuple[Any, ...]:
    """Return what must be the same for two plans to be the same."""
    return (
        [(plan.graph.slugs[step.task], step.runs, step.children) for step in plan.steps],
        [(plan.graph.slugs[one.block.init_task], one.opens) for one in plan.blocks],
        plan.gone,
    )


def _headline(plan: Plan, running: list[Step], reused: list[Step]) -> str:
    words = [f"{_count(len(running), 'task')} {'runs' if len(running) == 1 else 'run'}"]
    given = sum(step.task in plan.given for step in reused)
    for count, verb in ((given, "set"), (len(reused) - given, "reused")):
        if count:
            words.append(f"{count} {'is' if count == 1 else 'are'} {verb}")
    opens = sum(one.opens for one in plan.blocks)
    if opens:
        words.append(f"{_count(opens, 'block')} {'opens' if opens == 1 else 'open'}")
    if expected := said(plan.expected_s):
        words.append(f"{expected} if one after another")
    return ", ".join(words)


def _row(plan: Plan, step: Step) -> list[Any]:
    name = one_line(label_of(step.task), 80)
    if step.children is not None:
        few = ", ".join(map(str, step.children[:3])) + (", …" if len(step.children) > 3 else "")
        name = f"{name}[{few}]"
    expected = said(step.expected_s) if step.runs else ""
    return [
        safe_key(plan.graph.slugs[step.task]),
        name,
        2 if step.task in plan.given else int(step.runs),
        one_line(step.why, 160),
        expected,
    ]


def _why(step: BlockStep) -> str:
    return one_line(step.why.removeprefix(f"{step.block.name}: "), 120)  # its name stands before it


def _changes(plan: Plan, before: Mapping[str, Any]) -> list[list[str]]:
    after = plan.parameters
    named = [task.name for task in plan.graph.tasks if isinstance(task, Parameter) and task.name in after]
    names = dict.fromkeys([*named, *before])
    return [
        [one_line(name, 60), _shown(before, name), _shown(after, name)]
        for name in names
        if (name in before) != (name in after) or (name in before and not same(before[name], after[name]))
    ]


def _shown(values: Mapping[str, Any], name: str) -> str:
    return in_short(values[name]) if name in values else "-"


def _is_shown(plan: Plan, step: Step) -> bool:
    node = plan.graph.index[step.task]
    return plan.graph.role[node] == ORDINARY and is_counted(step.task)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
