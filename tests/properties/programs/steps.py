"""What the user of a program does after its first run, chosen at random."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.properties.programs.generate import new_body
from tests.properties.programs.kinds import KINDS, MUTABLE, PARAMETERS, filled

if TYPE_CHECKING:
    import random

    from tests.properties.programs.text import Program

RUN, UNCHANGED, RERUN_TASK = "run again", "rerun unchanged", "rerun a task"
EDIT_STALE, EDIT_TASK, BREAK, FIX = (
    "edit, rerun stale",
    "edit, rerun it",
    "break, rerun stale",
    "fix, rerun failed",
)
FILE = "file changed, stale"
HOLD, PIN, SET, PARAMETER, USER = (
    "hold, fix, retry",
    "pin, edit",
    "set a value",
    "another parameter",
    "user changes",
)
ALL = frozenset((RUN, UNCHANGED, RERUN_TASK, EDIT_STALE, EDIT_TASK, BREAK, FIX, HOLD, PIN, SET, PARAMETER, USER))
IN_CELLS = frozenset((RUN, UNCHANGED, RERUN_TASK, EDIT_STALE, EDIT_TASK, BREAK, FIX, HOLD))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that the user does.

    Attributes:
        op: Which.
        task: The task that it is about; of an unchanged flow, the one whose cell is executed again as it is.
        bodies: New bodies of tasks, executed first.
        text: A value, or a statement about ``value``.
        parameter: The parameter that gets the value.
        fixed: The body that a held run's task gets before it is retried.
    """

    op: str
    task: str = ""
    bodies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""
    parameter: str = ""
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Text:
    """The program as it reads after a step, with what the user gave it.

    Attributes:
        bodies: The newest body of each edited task.
        cells: Other cells that were executed since.
        parameters: The texts of given parameters.
        values: The texts of values set by the user.
        pins: The pinned tasks, and after which step.
    """

    bodies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    cells: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    pins: dict[str, int] = field(default_factory=dict)

    def after(self, step: Step, number: int, program: Program) -> Text:
        """Return what it is after one more step."""
        new = replace(self, bodies={**self.bodies, **step.bodies})
        if step.fixed:
            new = replace(new, bodies={**new.bodies, step.task: step.fixed})
        match step.op:
            case "run again":
                return replace(new, values={}, pins={})
            case "set a value":
                return replace(new, values={step.task: step.text}, pins={})
            case "file changed, stale":
                return replace(new, cells=(*self.cells, step.text))
            case "another parameter":
                new = replace(new, parameters={**self.parameters, step.parameter: step.text})
                reached = program.below(set(program.takers(step.parameter)))
            case "pin, edit":
                return replace(new, pins={**self.pins, step.task: number})
            case "rerun a task" | "edit, rerun it":
                reached = program.below({step.task, *step.bodies})
            case "user changes":
                reached = program.below(set(program.takers(step.task)))
            case _:
                reached = program.below(set(step.bodies) | ({step.task} if step.fixed else set()))
        # A value that was set counts until its task runs again; one that is pinned, until it is asked for.
        return replace(new, values={name: text for name, text in new.values.items() if name not in reached})


def choose_steps(program: Program, rng: random.Random, *, ops: frozenset[str] = ALL) -> tuple[Step, ...]:
    """Return what the user does, in order; `ops` are the things that can be done."""
    chooser = _Chooser(program, rng, ops)
    steps: list[Step] = []
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        steps += chooser.next()
    return tuple(steps)


class _Chooser:
    def __init__(self, program: Program, rng: random.Random, ops: frozenset[str]) -> None:
        self.program, self.rng, self.ops = program, rng, ops
        self.pinned: set[str] = set()
        self.values: set[str] = set()
        self.edited: set[str] = set()

    def next(self) -> list[Step]:
        """Choose what is done next; some things take two steps."""
        rng = self.rng
        ways = [self.run, self.unchanged, self.rerun_task, self.edit_task, self.break_and_fix, self.hold]
        ways += [self.edit_stale] * 4 + [self.pin, self.set_value, self.user] + [self.parameter] * 2
        for _ in range(10):
            found = rng.choice(ways)()
            if found and all(step.op in self.ops for step in found):
                return found
        return self.run()

    def _editable(self) -> list[str]:
        """Tasks that may be edited: no set or pinned value may be lost by it, no cached one may be out of date."""
        kept = self.values | self.pinned
        return [
            task.name
            for task in self.program.tasks
            if task.feature != "cached" and not (self.program.below({task.name}) & kept)
        ]

    def _body(self, name: str, *, fails: bool = False) -> tuple[str, ...]:
        task = self.program[name]
        for _ in range(20):
            body = new_body(task, self.rng, fails=fails)
            if body != task.body:
                break
        return body

    def run(self) -> list[Step]:
        self.pinned, self.values = set(), set()
        return [Step(op=RUN)]

    def unchanged(self) -> list[Step]:
        task = self.rng.choice(self.program.tasks)
        return [Step(op=UNCHANGED, task=task.name if self.rng.random() < 0.5 else "")]

    def rerun_task(self) -> list[Step]:
        names = self._editable()
        return [Step(op=RERUN_TASK, task=self.rng.choice(names))] if names else []

    def edit_stale(self) -> list[Step]:
        names = self._editable()
        if not names:
            return []
        chosen = self.rng.sample(names, min(len(names), self.rng.choice((1, 1, 1, 2))))
        return [Step(op=EDIT_STALE, bodies={name: self._body(name) for name in sorted(chosen)})]

    def edit_task(self) -> list[Step]:
        names = self._editable()
        if not names:
            return []
        name = self.rng.choice(names)
        return [Step(op=EDIT_TASK, task=name, bodies={name: self._body(name)})]

    def _breakable(self) -> list[str]:
        return [
            name
            for name in self._editable()
            if self.program[name].feature == "" and self.program[name].inputs and not self.program[name].touches
        ]

    def break_and_fix(self) -> list[Step]:
        names = self._breakable()
        if not names:
            return []
        name = self.rng.choice(names)
        fix = {name: self._body(name)}
        last = Step(op=FIX, bodies=fix) if self.rng.random() < 0.7 else Step(op=EDIT_STALE, bodies=fix)
        return [Step(op=BREAK, bodies={name: self._body(name, fails=True)}), last]

    def hold(self) -> list[Step]:
        names = self._breakable()
        if not names:
            return []
        name = self.rng.choice(names)
        return [Step(op=HOLD, task=name, bodies={name: self._body(name, fails=True)}, fixed=self._body(name))]

    def pin(self) -> list[Step]:
        names = [
            task.name
            for task in self.program.tasks
            if task.form in ("make", "copy", "read")
            and task.kind not in ("iterator", "class attribute")
            and task.feature == ""
            and task.name not in self.values
            and not task.touches  # what a pinned task has changed stays changed: it does not run, nor is it undone
            and not any(one.may_change for one in task.inputs)
        ]
        if not names or self.values:
            return []
        name = self.rng.choice(names)
        others = [
            other
            for other in self.program.tasks
            if other.feature != "cached"
            and (self.rng.random() < 0.5 or other.name == name or name in self.program.upstream(other.name))
        ]
        if not others:
            return []
        edited = self.rng.choice(others).name
        self.pinned.add(name)
        return [Step(op=PIN, task=name, bodies={edited: self._body(edited)})]

    def set_value(self) -> list[Step]:
        names = [task.name for task in self.program.tasks if task.form in ("make", "copy") and task.kind in MUTABLE]
        names = [name for name in names if not self.program[name].feature]
        if not names:
            return []
        name = self.rng.choice(names)
        self.pinned, self.values = set(), {name}
        text = filled(self.rng.choice(KINDS[self.program[name].kind].makes), self.rng)
        return [Step(op=SET, task=name, text=text)]

    def parameter(self) -> list[Step]:
        if not self.program.parameters:
            return []
        name = self.rng.choice(sorted(self.program.parameters))
        takers = set(self.program.takers(name))
        if self.program.below(takers) & (self.values | self.pinned):
            return []
        kind = next(one.kind for t in self.program.tasks for one in t.inputs if one.source == name)
        return [Step(op=PARAMETER, parameter=name, text=self.rng.choice(PARAMETERS[kind]))]

    def user(self) -> list[Step]:
        names = [
            task.name
            for task in self.program.tasks
            if task.kind in MUTABLE
            and task.form in ("make", "copy")
            and self.program.takers(task.name)
            and not self.program.below(set(self.program.takers(task.name))) & (self.values | self.pinned)
            and task.name not in self.values
            and not task.feature
        ]
        if not names:
            return []
        name = self.rng.choice(names)
        text = filled(self.rng.choice(KINDS[self.program[name].kind].changes), self.rng, "value")
        return [Step(op=USER, task=name, text=text)]
