"""Runs the text of a program plainly: each function once, in the order of declaration, on what the others returned.

It says what nbflow is to give, and, from what it sees of the objects, which tasks a rerun may run. A second attempt
gets the inputs as the first one got them, so the attempts that fail are left out; each taker of an iterator gets all of
its items; constants and parameters are made again.
"""

from __future__ import annotations

import ast
import copy
import linecache
import random
import sys
import textwrap
import warnings
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbflow import context, signals
from tests.properties.programs.kinds import KINDS
from tests.properties.programs.normal import Form, normal, objects, told_apart

if TYPE_CHECKING:
    from tests.properties.programs.steps import Step, Text
    from tests.properties.programs.text import Program, TaskText

MODULE = "program"
MOST_TURNS = 10


class Cells:
    """A module whose cells are executed one after the other, as in a kernel."""

    def __init__(self) -> None:
        self.module = ModuleType(MODULE)
        self.names = vars(self.module)
        sys.modules[MODULE] = self.module
        self._count = 0

    def execute(self, source: str) -> None:
        """Execute a cell, known by a file name of its own to whoever looks for its source."""
        self._count += 1
        name = f"<cell {self._count} of {id(self)}>"
        linecache.cache[name] = (len(source), None, [f"{line}\n" for line in source.split("\n")], name)
        exec(compile(source, name, "exec"), self.names)


@dataclass
class Outcome:
    """What one text gives.

    Attributes:
        forms: How each task and parameter ends, and its value as it is after the run.
        returned: The same, as it was when the task had just ended.
        needs: The tasks that made or changed before it what each task takes, if that is changed by anyone.
        reaches: The later tasks that take what each task changed in place.
        ties: The later tasks that share with each task what one of the two changes, so that their order counts.
        changers: The tasks that change what each task returned, so that it ends as in a fresh run.
        failed: The tasks without a value.
        loose: The tasks whose values a LOOP takes and hands on: it may hand on a copy.
    """

    forms: dict[str, Form] = field(default_factory=dict)
    returned: dict[str, Form] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    reaches: dict[str, set[str]] = field(default_factory=dict)
    ties: dict[str, set[str]] = field(default_factory=dict)
    changers: dict[str, set[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)


@dataclass
class _Seen:
    takes: set[Any] = field(default_factory=set)
    changes: set[Any] = field(default_factory=set)
    returns: set[Any] = field(default_factory=set)


class PlainRun:
    """One run of a text without nbflow."""

    def __init__(self, program: Program, text: Text, kept: dict[str, Any], *, in_cells: bool = False) -> None:
        self.program, self.text, self.kept, self.in_cells = program, text, kept, in_cells
        self.values: dict[str, Any] = {}
        self.pristine: dict[str, Any] = {}
        self.items: dict[str, list[Any]] = {}
        self.seen: dict[str, _Seen] = {}
        self.alive: list[Any] = []
        self.outcome = Outcome()
        random.seed(0)
        cells = Cells()
        self.names = cells.names
        for name, source in program.cells().items():
            if name != "flow":
                body = text.bodies.get(name)
                cells.execute(program[name].cell(body) if body is not None else source)
        for source in text.cells:
            cells.execute(source)
        for name, default in program.parameters.items():
            self._end(name, eval(text.parameters.get(name, default), self.names))
        for task in program.tasks:
            self._perform(task)
        for name, value in self.values.items():
            self.outcome.forms[name] = self._form(name, value)
        self._relate()

    def _perform(self, task: TaskText) -> None:
        self.seen[task.name] = seen = _Seen()
        given = self._given(task.name)
        if given is not None:
            self._end(task.name, given[0])
            return
        if self.program.upstream(task.name) & self.outcome.failed:
            self._fail(task.name, ("not run",))
            return
        inputs = {one.arg: self._input(task, index) for index, one in enumerate(task.inputs)}
        self.alive.append(inputs)
        held_before = self._objects(inputs)
        self.alive.append(held_before)  # so that no identity is given twice
        before = {key: told_apart(held) for key, held in held_before.items()}
        seen.takes = set(before) | set(task.files) | ({task.touches} if task.touches else set())
        try:
            value = self._call(task, inputs)
        except Exception as error:
            self._fail(task.name, ("failed", type(error).__name__))
        else:
            self._end(task.name, value)
        after = self._objects(inputs)
        seen.changes = {key for key, form in before.items() if key not in after or told_apart(after[key]) != form}
        for one in task.inputs:  # an iterator is used up
            if one.source in self.items:
                seen.changes.add(("items", one.source))
                seen.takes.add(("items", one.source))
        if self.in_cells:
            body = self.text.bodies.get(task.name, task.body)
            written = [inputs[one.arg] for one in task.inputs if _writes(body, one.arg)]
            seen.changes |= {key for key, held in held_before.items() if any(held is one for one in written)}
        seen.changes |= set(task.written) | ({task.touches} if task.touches else set())

    def _objects(self, inputs: dict[str, Any]) -> dict[int, Any]:
        return objects(list(inputs.values()))

    def _given(self, name: str) -> tuple[Any] | None:
        if name in self.text.values:
            return (eval(self.text.values[name], self.names),)
        if name in self.text.pins and name in self.kept:
            return (_as_it_was(self.kept[name]),)
        return None

    def _input(self, task: TaskText, index: int) -> Any:
        one = task.inputs[index]
        if not one.source:
            return eval(one.constant, self.names)
        if one.source in self.items:
            return iter(self.items[one.source])
        if one.source not in self.program.parameters and self.program[one.source].feature == "mapped":
            return list(self.values[one.source])  # of the children's values, made for each who takes it
        return self.values[one.source]

    def _call(self, task: TaskText, inputs: dict[str, Any]) -> Any:
        run = self.names[task.name].run
        if task.feature == "mapped":
            ((arg, items),) = inputs.items()
            return [run(**{arg: item}) for item in items]
        if task.feature == "retry":
            with context(task_run_count=2):
                return run(**inputs)
        if not task.feature.startswith("loop"):
            return run(**inputs)
        more: dict[str, Any] = {}
        for turn in range(1, MOST_TURNS):
            taken = inputs  # as the turn before has left them
            with context(task_loop_count=turn, **more):
                try:
                    return run(**taken)
                except signals.LOOP as signal:
                    more = {"task_loop_result": signal.state.result}
        raise RecursionError("too many turns")

    def _end(self, name: str, value: Any) -> None:
        if name not in self.program.parameters and KINDS.get(self.program[name].kind, KINDS["list"]).is_one_shot:
            self.items[name] = list(value)
            value = iter(())
        self.values[name] = value
        self.outcome.returned[name] = self._form(name, value)
        if name in self.seen:
            self.seen[name].returns = set(objects(value))
            if name in self.items:
                self.seen[name].returns.add(("items", name))
        try:
            self.pristine[name] = _as_it_was(value)
        except Exception:
            self.pristine[name] = value

    def _form(self, name: str, value: Any) -> Form:
        return "ok", normal(value)

    def _fail(self, name: str, form: Form) -> None:
        self.outcome.failed.add(name)
        self.outcome.forms[name] = self.outcome.returned[name] = form

    def _relate(self) -> None:
        order = [task.name for task in self.program.tasks]
        place = {name: i for i, name in enumerate(order)}
        dirty = set().union(*(seen.changes for seen in self.seen.values()))
        for name, seen in self.seen.items():
            mine = seen.takes & dirty
            shown = (seen.takes | seen.returns) & dirty
            self.outcome.needs[name] = {
                other
                for other, theirs in self.seen.items()
                if (theirs.returns & shown) or (theirs.changes & mine and place[other] < place[name])
            } - {name}
            self.outcome.changers[name] = {
                other for other, theirs in self.seen.items() if theirs.changes & seen.returns
            } - {name}
            if self.program[name].feature == "loop result":
                self.outcome.loose |= {one for one, theirs in self.seen.items() if theirs.returns & seen.takes} - {name}
            self.outcome.ties[name] = {
                other
                for other, theirs in self.seen.items()
                if place[other] > place[name] and (theirs.takes & seen.changes or theirs.changes & seen.takes)
            }
            self.outcome.reaches[name] = {
                other
                for other, theirs in self.seen.items()
                if theirs.takes & seen.changes and place[other] > place[name]
            }


def _writes(body: tuple[str, ...], name: str) -> bool:
    """Tell whether a cell gives a value on that it takes: it may leave it equal, and still is the one that made it.

    As far as the text shows: it binds the name again, or an item or attribute of it, or calls a method.
    """
    tree = ast.parse("def cell():\n" + textwrap.indent("\n".join(body), "    "))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            targets = [node.func] if isinstance(node.func, ast.Attribute) else [*node.args]
        elif isinstance(node, (ast.AugAssign, ast.Assign, ast.Delete)):
            targets = [node.target] if isinstance(node, ast.AugAssign) else [*node.targets]
        else:
            continue
        for one in targets:
            while isinstance(one, (ast.Attribute, ast.Subscript)):
                one = one.value
            if isinstance(one, ast.Name) and one.id == name:
                return True
    return False


def outcomes(program: Program, texts: list[Text], steps: tuple[Step, ...], *, in_cells: bool = False) -> list[Outcome]:
    """Return what each text gives: that of the first run, then that after each step."""
    kept: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, at what the program does with its frames
        last = PlainRun(program, texts[0], kept, in_cells=in_cells)
        found = [last.outcome]
        for step, text in zip(steps, texts[1:], strict=True):
            if step.op == "pin, edit" and step.task in last.pristine:
                kept[step.task] = last.pristine[step.task]
            last = PlainRun(program, text, kept, in_cells=in_cells)
            found.append(last.outcome)
    return found


def _as_it_was(value: Any) -> Any:
    """Return a copy of a pinned value; of an array that is a view with gaps again such a one, which `ravel` copies."""
    copied = copy.deepcopy(value)
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(copied, numpy.ndarray) or value.flags.c_contiguous or not value.ndim:
        return copied
    return numpy.repeat(copied, 2, axis=-1)[..., ::2]
