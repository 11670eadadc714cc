"""The taking over from an earlier run of what a plan says, before the run that follows it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbflow.engine.events import told, warn_safely
from nbflow.engine.rerun_selection import ALL
from nbflow.engine.run_history import match
from nbflow.engine.state_values import held_by

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.execution import Execution
    from nbflow.engine.plan import Plan


def take_over(new: Execution, plan: Plan) -> Plan:
    """Take over values, files, code and random numbers; return the plan as the new run may keep it."""
    record, graph, previous = new.record, new.loop.graph, plan.previous
    for text in plan.lost:
        record.note(text)
        warn_safely(text)
    taken = [step.task for step in plan.steps if not step.runs or step.children is not None]
    earlier: Execution | None = getattr(previous, "_execution", None)
    if previous is not None and earlier is not None:
        pairs = zip(graph.tasks, match(graph, previous.graph), strict=True)
        known = {task: old for task, old in pairs if old is not None and task not in plan.given}
        _take_values(new, earlier, plan, known, frozenset(taken))
        record.files.take_over(plan, known, earlier.record.files)
    elif previous is not None and plan.what != ALL:  # from a store, whose run has the tasks of now
        reused = frozenset(step.task for step in plan.steps if not step.runs)
        new.draws.follow(previous.draws, {task: task for task in graph.tasks}, taken_over=reused)
    for task in plan.given:
        new.home.keep_original(task, held_by(plan.reused[task]))
    record.sources.update(plan.sources)
    origins = plan.origins_of()
    new.code.inherit({task: origins[task] for task in taken if task in origins})
    # The states taken over are the run's own now: the plan would keep them when they are given back.
    return replace(plan, reused={task: told(state) for task, state in plan.reused.items()})


def _take_values(
    new: Execution, earlier: Execution, plan: Plan, known: dict[Task, Task], taken_over: frozenset[Task]
) -> None:
    kept = {step.task: earlier.record.states[known[step.task]] for step in plan.steps if step.keeps_value}
    new.home.kept = {task: held_by(state) for task, state in kept.items()}
    new.home.inherit(
        earlier.home,
        {task: old for task, old in known.items() if task in taken_over},
        {**plan.reused, **kept},
        {s.task: known[s.task] for s in plan.steps if (s.is_restored or s.keeps_value) and s.task in known},
        apart=plan.apart,
    )
    if plan.what != ALL:
        alone = frozenset(step.task for step in plan.steps if step.is_restored)
        new.draws.follow(earlier.draws, known, alone=alone, taken_over=taken_over)
