"""Two runs side by side: how their tasks ended, how long they took, and whether values, parameters and code differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.collections import Constant
from nbflow.core.data.value_type import type_name
from nbflow.core.parameter import Parameter
from nbflow.core.states import Mapped, State
from nbflow.engine.run_label import given_name
from nbflow.engine.state_values import held_by, holds_references
from nbflow.engine.value_diff import alike
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.record import Timings

SAME, DIFFERENT, UNKNOWN = "same", "different", "unknown"
_ABSENT = "-"
_LONGEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPair:
    """One task in two runs.

    Attributes:
        slug: The task.
        states: The names of its states, `"-"` where a run does not have it; mapped ones with how many ended well.
        seconds: How long it worked in each, of a mapped task its children together; None if it did not run
            there, or that is not known.
        value: ``"same"``, ``"different"``, ``"unknown"`` if that cannot be found out, empty if not both have one.
        code: The same of its code.
        sources: Where its value came from in each; empty if it has none.
    """

    slug: str
    states: tuple[str, str]
    seconds: tuple[float | None, float | None]
    value: str
    code: str
    sources: tuple[str, str]

    @property
    def differs(self) -> bool:
        """True if state, value or code differ. How long it took does not count."""
        return self.states[0] != self.states[1] or DIFFERENT in (self.value, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterPair:
    """One parameter in two runs: its values as text, and whether they are the same."""

    name: str
    values: tuple[str, str]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs side by side; made by `Run.compare`. As the last expression of a cell it shows itself as a table.

    Attributes:
        names: What the runs are called.
        states: The names of their states.
        seconds: How long they took; None for one that is not over.
        parameters: The parameters, by name.
        tasks: The tasks in start order, those that only the second one has at the end.
    """

    bundle_of: ClassVar[Callable[[Comparison], dict[str, Any]] | None] = None  # set by `nbflow.flow`

    names: tuple[str, str]
    states: tuple[str, str]
    seconds: tuple[float | None, float | None]
    parameters: tuple[ParameterPair, ...]
    tasks: tuple[TaskPair, ...]

    @property
    def differing(self) -> tuple[TaskPair, ...]:
        """The tasks that differ in state, value or code."""
        return tuple(task for task in self.tasks if task.differs)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the table: a heading, the run, the parameters, the tasks."""
        one, other = self.names
        yield "", one, other, "value", "code"
        yield ("run", *map(_how, self.states, self.seconds, ("", "")), "", "")
        for parameter in self.parameters:
            yield f"{parameter.name} =", *parameter.values, parameter.value, ""
        for task in self.tasks:
            yield task.slug, *map(_how, task.states, task.seconds, task.sources), task.value, task.code

    def text(self) -> str:
        """Return the table as plain text."""
        rows = [tuple(" ".join(cell.split()) for cell in row) for row in self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        count = len(self.differing)
        return f"<Comparison of {self.names[0]} and {self.names[1]}: {count} of {len(self.tasks)} tasks differ>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        make = Comparison.bundle_of
        return {"text/plain": self.text()} if make is None else make(self)


def compare(one: Any, other: Any) -> Comparison:
    """Put two runs side by side: of one flow, or of two with tasks of the same slugs; stored ones too.

    Nothing that a value does when it is compared gets out of here: then it is not known whether it is the same.

    Example:
        >>> from nbflow import Flow, Parameter, task
        >>> with Flow("double") as flow:
        ...     twice = task(lambda x: 2 * x, name="twice")(Parameter("x", default=1))
        >>> first, second = flow.start(), flow.start(x=5)
        >>> first.wait().is_successful(), second.wait().is_successful()
        (True, True)
        >>> [(pair.slug, pair.value) for pair in compare(first, second).differing]
        [('x', 'different'), ('twice-1', 'different')]
    """
    sides = _Side(one), _Side(other)
    slugs = dict.fromkeys([*sides[0].tasks, *sides[1].tasks])
    return Comparison(
        names=(sides[0].name, sides[1].name),
        states=(type(one.state).__name__, type(other.state).__name__),
        seconds=(_whole(one), _whole(other)),
        parameters=tuple(_parameters(*sides)),
        tasks=tuple(_pair(slug, *sides) for slug in slugs),
    )


class _Side:
    """One of the two runs, asked once for what is asked about every task."""

    def __init__(self, run: Any) -> None:
        graph: CompiledGraph = run.graph
        self.run = run
        called = given_name(run)
        stored = "" if hasattr(run, "wait") else "stored "
        self.name = f"{stored}run {run.number}" + (f" ({called})" if called else "")
        self.tasks: dict[str, Task] = {graph.slugs[task]: task for task in graph.tasks}
        self.states: Mapping[Task, State] = run.states
        self.timings: Timings = run.timings
        self.sources: Mapping[Task, str] = run.sources
        self.results: Mapping[Task, Any] = run.results
        self._facts: dict[Task, Any] | None = None

    def state(self, slug: str) -> State | None:
        task = self.tasks.get(slug)
        return None if task is None else self.states[task]

    def seconds(self, slug: str) -> float | None:
        task = self.tasks.get(slug)
        times = None if task is None else self.timings.get(task)
        if task is None or times is None or times[1] is None:
            return None
        return self.timings.work_s(task) if times[0] < times[1] else 0.0

    def source(self, slug: str) -> str:
        task = self.tasks.get(slug)
        return "" if task is None else self.sources.get(task, "")

    def has_value(self, slug: str) -> bool:
        state = self.state(slug)
        return state is not None and state.is_successful() and not state.is_skipped()

    def value(self, slug: str) -> Any:
        state = self.state(slug)
        return held_by(state) if state is not None and holds_references(state) else self.results[self.tasks[slug]]

    def print(self, slug: str) -> str | None:
        """Return the fingerprint of a task's value, which stays known when the value is given back."""
        if self._facts is None:
            self._facts = getattr(self.run, "facts", {})
        facts = self._facts.get(self.tasks[slug])
        return None if facts is None else facts.fingerprint

    def code(self, slug: str) -> str:
        """Return the fingerprint of a task's code, as it was in this run; empty if that is not known."""
        return str(getattr(self.run, "_execution", self.run).code_of(self.tasks[slug]))

    def parameters(self) -> dict[str, Any]:
        return dict(self.run.parameters)


def _pair(slug: str, one: _Side, other: _Side) -> TaskPair:
    return TaskPair(
        slug=slug,
        states=(_state(one.state(slug)), _state(other.state(slug))),
        seconds=(one.seconds(slug), other.seconds(slug)),
        value=_compared_values(slug, one, other),
        code=_compared_code(slug, one, other),
        sources=(one.source(slug), other.source(slug)),
    )


def _compared_values(slug: str, one: _Side, other: _Side) -> str:
    if not (one.has_value(slug) and other.has_value(slug)):
        return ""
    try:
        return _word(alike(one.value(slug), other.value(slug)))
    except (NbflowError, LookupError):  # given back, or of a stored one that was not kept or cannot be read
        prints = one.print(slug), other.print(slug)
        return UNKNOWN if None in prints else SAME if prints[0] == prints[1] else DIFFERENT


def _compared_code(slug: str, one: _Side, other: _Side) -> str:
    if slug not in one.tasks or slug not in other.tasks or isinstance(one.tasks[slug], (Constant, Parameter)):
        return ""
    codes = one.code(slug), other.code(slug)
    if not all(codes):
        return UNKNOWN
    return SAME if codes[0] == codes[1] else DIFFERENT


def _parameters(one: _Side, other: _Side) -> Iterator[ParameterPair]:
    first, second = one.parameters(), other.parameters()
    for name in dict.fromkeys([*first, *second]):
        there = name in first, name in second
        texts = (_shown(first[name]) if there[0] else _ABSENT, _shown(second[name]) if there[1] else _ABSENT)
        value = _word(alike(first[name], second[name])) if all(there) else DIFFERENT
        yield ParameterPair(name=name, values=texts, value=value)


def _word(answer: bool | None) -> str:
    return UNKNOWN if answer is None else SAME if answer else DIFFERENT


def _state(state: State | None) -> str:
    if state is None:
        return _ABSENT
    name = type(state).__name__
    if isinstance(state, Mapped):
        well = sum(1 for child in state.map_states if child is not None and child.is_successful())
        return f"{name} {well}/{len(state.map_states)}"
    return name


def _seconds(began: float | None, ended: float | None) -> float | None:
    return None if began is None or ended is None else max(0.0, ended - began)


def _whole(run: Any) -> float | None:
    return _seconds(run.timings.started_at, run.timings.ended_at)


def _how(state: str, seconds: float | None, source: str) -> str:
    took = "" if seconds is None else f" {seconds:.3g} s"
    came = "" if source in ("", "computed") else f", {source}"
    return f"{state}{took}{came}"


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - users' values
        text = f"<{type_name(value)}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
