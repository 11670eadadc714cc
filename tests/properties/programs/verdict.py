"""Puts what nbflow gave beside what the plain interpreter gives, and names each difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.properties.programs import steps as do
from tests.properties.programs.text import SOURCE

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.properties.programs.player import Found
    from tests.properties.programs.reference import Outcome
    from tests.properties.programs.steps import Step
    from tests.properties.programs.text import Program

WRONG, NEEDLESS, ERROR, REFUSED, WARNED = "wrong value", "needless run", "exception", "refused", "warned"
FAULTS = (WRONG, NEEDLESS, ERROR)
FIRST = "first run"
COUNTED = (do.UNCHANGED, do.EDIT_STALE, do.EDIT_TASK, do.RERUN_TASK, do.PARAMETER, do.FILE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as in a fresh run.

    Attributes:
        sort: ``wrong value``, ``needless run``, ``exception``, ``refused`` or ``warned``.
        step: The number of the step; 0 for the first run.
        op: What the step does.
        task: The first task that it shows in.
        about: The kinds of values and features of that task.
        expected, got: In words.
    """

    sort: str
    step: int
    op: str
    task: str = ""
    about: tuple[str, ...] = ()
    expected: str = ""
    got: str = ""


def judge(program: Program, steps: tuple[Step, ...], outcomes: list[Outcome], found: list[Found]) -> list[Finding]:
    """Return the first difference of a sort in each step, up to the first step with a wrong value."""
    findings: list[Finding] = []
    given: set[str] = set()
    for number, one in enumerate(found):
        step = steps[number - 1] if number else None
        op = step.op if step else FIRST
        if step is not None and op in (do.SET, do.RUN):
            given = {step.task} if op == do.SET else set()
        elif given & one.ran & program.below(one.ran & program.block):
            break  # a block was opened for another task: the value that was set below is gone, as the plan says
        if one.error or one.refused:
            got = one.error or one.refused
            sort = ERROR if one.error else REFUSED
            task = step.task if step else ""
            about = describe(program, task) if task else program.kinds
            findings.append(Finding(sort=sort, step=number, op=op, task=task, about=about, got=got))
            break
        wrong = _first_wrong(program, step, outcomes[number], one)
        if wrong:
            named = {wrong} | (program.upstream(wrong) if wrong not in program.parameters else set())
            said = [text for text in one.said if any(name in text for name in named)]
            findings.append(
                Finding(
                    sort=WARNED if said else WRONG,
                    step=number,
                    op=op,
                    task=wrong,
                    about=describe(program, wrong),
                    expected=repr(outcomes[number].forms[wrong]),
                    got=repr(one.forms.get(wrong)) + "".join(f"\n{text}" for text in said),
                )
            )
            break
        if step is not None and op in COUNTED:
            allowed = may_run(program, step, outcomes[number - 1], outcomes[number], also=found[number - 1].renamed)
            if more := sorted(one.ran - allowed):
                findings.append(
                    Finding(
                        sort=NEEDLESS,
                        step=number,
                        op=op,
                        task=more[0],
                        about=describe(program, more[0]),
                        expected=f"at most {sorted(allowed)} run",
                        got=f"{sorted(one.ran)} ran",
                    )
                )
    return findings


def _first_wrong(program: Program, step: Step | None, outcome: Outcome, found: Found) -> str:
    skipped: set[str] = set()
    if step is not None and step.op == do.USER:  # it reads as the user left it, unless it ran again
        skipped = ({step.task} | outcome.needs.get(step.task, set())) - found.ran
    for name in (*(task.name for task in program.tasks), *program.parameters):
        if name not in found.forms or name in outcome.loose:
            continue
        got = found.forms[name]
        # As the task returned it will do: then who takes it got a copy.
        if name not in skipped and got not in (outcome.forms[name], outcome.returned[name]):
            return name
    return ""


def may_run(program: Program, step: Step, before: Outcome, after: Outcome, *, also: Collection[str] = ()) -> set[str]:
    """Return the tasks that a rerun may run: what is reached, and who made what is taken and was changed.

    Args:
        program: The program.
        step: The step.
        before: What the text before it gives.
        after: What the text after it gives.
        also: Other tasks that it is to run.
    """
    asked = {*step.bodies, *also}
    if step.op in (do.RERUN_TASK, do.EDIT_TASK):
        asked.add(step.task)
    if step.parameter:
        asked |= set(program.takers(step.parameter))
    if step.op == do.FILE:
        asked |= {task.name for task in program.tasks if SOURCE in task.files}
    if step.op != do.RERUN_TASK:
        asked |= before.failed
    reached = program.below(asked)
    producers: set[str] = set()
    while True:
        count = len(reached), len(producers)
        for outcome in (before, after):
            for name in tuple(reached):
                reached |= program.below(outcome.reaches.get(name, set()))
            for name in tuple(reached | producers):
                producers |= outcome.needs.get(name, set())
            for name in tuple(producers):
                producers |= outcome.changers.get(name, set())
        written = {file for t in program.tasks if t.name in reached | producers for file in t.files} - {SOURCE}
        readers = {task.name for task in program.tasks if written & set(task.files)}
        reached |= program.below(readers)  # a file that is written again is read again
        if producers & program.block:  # it opens again, with all that is made inside
            reached |= program.below(producers & program.block)
        if (len(reached), len(producers)) == count:
            return reached | producers


def describe(program: Program, name: str) -> tuple[str, ...]:
    """Return the kinds of values that a task deals with, and what is special about it."""
    if name in program.parameters:
        return ("parameter",)
    task = program[name]
    words = {one.kind for one in task.inputs} | {task.kind} | {task.feature, task.touches and f"global {task.touches}"}
    words |= {"block"} if name in program.block else set()
    words |= {"parameter" for one in task.inputs if one.source in program.parameters}
    words |= {"constant" for one in task.inputs if one.constant}
    words |= {f"file {file}" for file in task.files}
    words |= {f"taken by {program[other].feature}" for other in program.takers(name) if program[other].feature}
    return tuple(sorted(words - {"", "atoms"}))
