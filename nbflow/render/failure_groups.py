"""The failures of a run with equal errors put together: a hundred rows that fail alike are one thing to fix."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped, State, TriggerFailed
from nbflow.engine.task_counts import has_failed
from nbflow.render.failures import Failure, failures
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbflow.core.task import Task

MOST_GROUPS = 5
_MOST_NAMES = 8
# What differs between errors that are the same to whoever has to fix them.
_VARYING = re.compile(
    r"0x[0-9a-fA-F]+"  # an address
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # an id
    r"|(?<![\w/])(?:[A-Za-z]:)?(?:[/\\][\w.+-]+){2,}"  # a path
    r"|\d+(?:[.,:]\d+)*"  # a number, a date
)


@dataclass(slots=True)
class FailureGroup:
    """Failures with equal errors, in the order of the run; the first one speaks for all.

    Attributes:
        first: The first one.
        places: Each task with the number of its mapped child, in order.
    """

    first: Failure
    places: list[tuple[Task, int | None]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many failures these are."""
        return len(self.places)

    def names(self, most: int = _MOST_NAMES) -> str:
        """Return which ones, as in `clean[3], clean[7] and 12 more`; the first `most` are named."""
        named = [one_line(Failure(task, index, self.first.error).name, 60) for task, index in self.places[:most]]
        more = f" and {self.count - most} more" if self.count > most else ""
        return ", ".join(named) + more

    def size(self) -> str:
        """Return how many tasks and mapped children these are, as in `37 children of clean, 2 more tasks`."""
        children: dict[str, int] = {}
        for task, index in self.places:
            if index is not None:
                children[task.name] = children.get(task.name, 0) + 1
        parts = [f"{n} {'child' if n == 1 else 'children'} of {one_line(name, 60)}" for name, n in children.items()]
        if alone := self.count - sum(children.values()):
            parts.append(f"{alone} {'more ' if parts else ''}task{'' if alone == 1 else 's'}")
        return ", ".join(parts)


def alike(failure: Failure) -> tuple[str, str]:
    """Return what failures have in common that are put together: the type and the text, without what varies."""
    return type(failure.error).__name__, _VARYING.sub("#", failure.text())


def grouped(found: Iterable[Failure]) -> list[FailureGroup]:
    """Put failures with equal errors together, in the order in which each kind came first."""
    groups: dict[tuple[str, str], FailureGroup] = {}
    for one in found:
        groups.setdefault(alike(one), FailureGroup(one)).places.append((one.task, one.index))
    return list(groups.values())


def left_out(states: Mapping[Task, State]) -> int:
    """Return how many tasks and children did not run because of failures above them."""
    count = 0
    for state in states.values():
        parts = (state.map_states or ()) if isinstance(state, Mapped) else (state,)
        count += sum(isinstance(one, TriggerFailed) for one in parts)
    return count


def group_lines(states: Mapping[Task, State]) -> list[tuple[str, str]]:
    """Return `("clean: KeyError: 'b'", "cell In [3], line 2: ...")` for the first few kinds of failures."""
    groups = grouped(failures(states))
    lines = []
    for group in groups[:MOST_GROUPS]:
        more = f" (and {_others(group)})" if group.count > 1 else ""
        lines.append((f"{one_line(group.first.name, 60)}: {group.first.text()}{more}", group.first.place()))
    if len(groups) > MOST_GROUPS:
        rest = sum(group.count for group in groups[MOST_GROUPS:])
        lines.append((f"and {rest} more", ""))
    return lines


def report(run: Any) -> str:
    """Return all failures of a run as text, to be read or sent: each kind once, with its traceback and who has it.

    `run` may be a stored one; of that, and of one whose errors were given back, the states' messages are left.
    """
    groups = grouped(failures(dict(run.states)))
    if not groups:
        left = [f"  {one_line(task.name, 60)}: {one_line(said, 300)}" for task, said in _messages(run.states)]
        return "\n".join(
            [f"{run.graph.name}, run {run.number}: {'what failed' if left else 'nothing has failed'}", *left]
        )
    total = sum(group.count for group in groups)
    lines = [f"{run.graph.name}, run {run.number}: {_count(total, 'failure')}, {_count(len(groups), 'kind')}"]
    for group in groups:
        place = group.first.place()
        lines += ["", f"{group.first.text()}", f"  {group.size()}: {group.names()}"]
        lines += [f"  {place}"] if place else []
        lines += ["", _traceback_of(group.first).rstrip()]
    if count := left_out(run.states):
        lines += ["", f"{_count(count, 'task')} did not run because of it"]
    return "\n".join(lines)


def _messages(states: Mapping[Task, State]) -> Iterator[tuple[Task, str]]:
    for task, state in states.items():
        parts = (state.map_states or ()) if isinstance(state, Mapped) else (state,)
        for one in parts:
            if one is not None and has_failed(one):
                yield task, one.message or type(one).__name__


def _others(group: FailureGroup) -> str:
    rest = FailureGroup(group.first, group.places[1:])
    return f"{rest.count} more: {rest.size()}" if rest.count > _MOST_NAMES else rest.names()


def _traceback_of(failure: Failure) -> str:
    try:
        return "".join(traceback.format_exception(failure.error))
    except Exception:  # noqa: BLE001 - users' classes
        return failure.text()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
