"""What functions were, and what the names in them stood for, at one moment: kept by a run for who asks later."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.anatomy import (
    NOTHING,
    all_names,
    cell_parts,
    content_of,
    equal_plain,
    functions_in,
    inside_of,
    is_a,
    is_plain,
    methods_of,
    parts_of,
    wrapped_by,
)
from nbflow.core.ownership import is_ours
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

_OTHER: Any = object()


class Memory:
    """What the functions of some tasks were, and what the names in them stood for, at one moment.

    Made at the start of each run, so it only collects: no function is taken apart before somebody asks.

    Args:
        tasks: The tasks.
    """

    __slots__ = ("_members", "_names", "_parts", "_runs", "_spaces")

    def __init__(self, tasks: Iterable[Task]) -> None:
        runs = {task: task.__dict__.get("run", NOTHING) for task in tasks}
        self._runs: dict[Task, Any] = runs
        self._names: dict[tuple[int, str], Any] = {}
        self._spaces: dict[int, dict[str, Any]] = {}
        self._parts: dict[FunctionType, tuple[Any, ...]] = {}
        self._members: dict[type, dict[str, Any]] = {}
        # Many tasks have one function, or one piece of code in many functions; what they name is the same.
        distinct = {object.__hash__(run): (run, task) for task, run in runs.items() if run is not NOTHING}
        pending: list[Any] = list({type(task) for task, run in runs.items() if run is NOTHING})
        by_code: dict[int, Any] = {}
        for run, task in distinct.values():
            by_code[id(getattr(run, "__code__", run))] = vars(task).get("resource_class", run)
        self._collect(pending + list(by_code.values()))

    def _collect(self, pending: list[Any]) -> None:
        seen: set[int] = set()
        while pending:
            found = pending.pop()
            if id(found) in seen:
                continue
            seen.add(id(found))
            if is_a(found, type):
                if is_ours(found.__module__):
                    self._members[found] = methods = methods_of(found)
                    pending += [function for value in methods.values() for function in functions_in(value)]
                    pending += found.__bases__
            elif is_a(found, FunctionType):
                if is_ours(found.__module__) or "<" in found.__qualname__:
                    self._parts[found] = parts_of(found)
                    pending += [content_of(cell) for cell in found.__closure__ or ()]
                    self._note(found, pending)
            elif parts := cell_parts(found):
                for part in parts:
                    self._note_names(found.namespace, all_names(part), pending)
                pending += [value for value in found.own.values() if is_a(value, FunctionType, type)]
            else:
                pending += inside_of(found)

    def _note(self, function: FunctionType, pending: list[Any]) -> None:
        self._note_names(function.__globals__, all_names(function.__code__), pending)

    def _note_names(self, space: dict[str, Any], names: tuple[str, ...], pending: list[Any]) -> None:
        for name in names:
            if name in space:
                value = space[name]
                self._keep(space, name, value, pending)
                if type(value) is ModuleType and is_ours(
                    value.__name__
                ):  # a lazy one would be loaded by looking
                    inner = vars(value)
                    for part in names:
                        if part in inner:
                            self._keep(inner, part, inner[part], pending)

    def _keep(self, space: dict[str, Any], name: str, value: Any, pending: list[Any]) -> None:
        self._spaces[id(space)] = space
        if is_a(value, FunctionType, type, Task) or wrapped_by(value) is not NOTHING:
            pending.append(value)
        elif not is_plain(value) and type(value) is not ModuleType:
            value = _OTHER  # never kept alive by this
        self._names[id(space), name] = value

    def run_of(self, task: Task) -> Any:
        """Return the function that the task had of its own, or nothing."""
        return self._runs.get(task, NOTHING)

    def is_run_of(self, task: Task, run: Any) -> bool:
        """Whether `run`, or nothing of its own, was the task's function."""
        return self._runs.get(task, _OTHER) is run

    def functions(self) -> list[FunctionType]:
        """Return the user's functions that the tasks could reach, their own among them."""
        return list(self._parts)

    def lookup(self, space: dict[str, Any], name: str) -> Any:
        """Return what a name stood for."""
        found = self._names.get((id(space), name), NOTHING)
        return space.get(name, NOTHING) if found is NOTHING else found

    def parts(self, function: FunctionType) -> tuple[Any, ...]:
        """Return the code of a function and its defaults, which may be replaced in place."""
        found = self._parts.get(function)
        return parts_of(function) if found is None else found

    def methods(self, cls: type) -> dict[str, Any]:
        """Return the methods of a class, which may be replaced in place."""
        found = self._members.get(cls)
        return methods_of(cls) if found is None else found

    def holds(self) -> bool:
        """Whether every name still stands for the same, and no function was changed in place."""
        spaces = self._spaces
        for (space, name), value in self._names.items():
            now = spaces[space].get(name, NOTHING)
            if (
                now is not value
                and not (value is _OTHER and not is_plain(now))
                and not equal_plain(now, value)
            ):
                return False
        if any(methods != methods_of(cls) for cls, methods in self._members.items()):
            return False
        return all(
            all(one is other for one, other in zip(parts, parts_of(function), strict=True))
            for function, parts in self._parts.items()
        )
