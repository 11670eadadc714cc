"""A snapshot of functions, and of what the names in them stood for, at one moment: kept by a run for who asks later."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash import introspect
from nbflow.core.data.content import Content, content_of_name, is_volatile, note_volatile
from nbflow.core.data.value_type import has_plain_metaclass, type_of
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.task import Task

_OTHER: Any = object()
_AS_THEY_ARE = (ModuleType, BuiltinFunctionType, staticmethod, classmethod, property)


class CodeSnapshot:
    """The functions of some tasks as they were, and what the names in them stood for, at one moment.

    Made at the start of each run, so it only collects: no function is taken apart before somebody asks.

    Args:
        tasks: The tasks.
    """

    __slots__ = ("_members", "_names", "_parts", "_roots", "_runs", "_spaces")

    def __init__(self, tasks: Iterable[Task]) -> None:
        runs = {task: task.__dict__.get("run", introspect.NOTHING) for task in tasks}
        self._runs: dict[Task, Any] = runs
        self._names: dict[tuple[int, str], Any] = {}
        self._spaces: dict[int, dict[str, Any]] = {}
        self._parts: dict[FunctionType, tuple[Any, ...]] = {}
        self._members: dict[type, dict[str, Any]] = {}
        # Many tasks have one function, or one piece of code in many functions; what they name is the same.
        roots = runs.copy()
        for task, run in runs.items():
            if run is introspect.NOTHING:
                roots[task] = type(task)
            elif "resource_class" in task.__dict__:
                roots[task] = task.__dict__["resource_class"]
        self._roots = roots
        # `id` would tell every audit hook.
        distinct = dict(zip(map(object.__hash__, roots.values()), roots.values(), strict=True))
        by_code = {_code_key(root): root for root in distinct.values()}
        self._collect(list(by_code.values()))

    def _collect(self, pending: list[Any]) -> None:
        seen: set[int] = set()
        while pending:
            found = pending.pop()
            if id(found) in seen:
                continue
            seen.add(id(found))
            if introspect.is_a(found, type):
                if has_plain_metaclass(found) and is_ours(found.__module__):
                    members = introspect.members_of(found)
                    self._members[found] = {
                        name: self._kept(value, pending, of_class=True) for name, value in members.items()
                    }
                    pending += [function for value in members.values() for function in introspect.functions_in(value)]
                    pending += found.__bases__
            elif introspect.is_a(found, FunctionType):
                if is_ours(found.__module__) or "<" in found.__qualname__:
                    self._parts[found] = introspect.parts_of(found)
                    pending += [introspect.content_of(cell) for cell in found.__closure__ or ()]
                    self._note_names(found.__globals__, introspect.all_names(found.__code__), pending)
            elif parts := introspect.cell_parts(found):
                for part in parts:
                    self._note_names(found.namespace, introspect.all_names(part), pending)
                pending += [value for value in found.own.values() if introspect.is_a(value, FunctionType, type)]
            else:
                pending += introspect.inside_of(found)

    def _note_names(self, space: dict[str, Any], names: tuple[str, ...], pending: list[Any]) -> None:
        for name in names:
            if name in space:
                value = space[name]
                self._keep(space, name, value, pending)
                if type(value) is ModuleType and is_ours(value.__name__):  # a lazy one would be loaded by looking
                    inner = vars(value)
                    for part in names:
                        if part in inner:
                            self._keep(inner, part, inner[part], pending)

    def _keep(self, space: dict[str, Any], name: str, value: Any, pending: list[Any]) -> None:
        self._spaces[id(space)] = space
        self._names[id(space), name] = self._kept(value, pending)

    def _kept(self, value: Any, pending: list[Any], *, of_class: bool = False) -> Any:
        """Return what is kept of a value: code and plain values themselves, of others what they hold."""
        if introspect.is_a(value, FunctionType, type) or introspect.inside_of(value):
            pending.append(value)
            return value
        if introspect.is_plain(value) or introspect.is_a(value, *_AS_THEY_ARE):
            return value
        if is_ours(type_of(value).__module__):
            pending.append(type(value))
        return content_of_name(value, by_identity=not of_class)  # the value itself is never kept alive by this

    def settle(self) -> None:
        """Note what the tasks have changed in place, now that they are over: that makes nothing stale."""
        for (space, name), kept in self._names.items():
            _settle(self._spaces[space], name, kept, self._spaces[space].get(name, introspect.NOTHING))
        for cls, members in self._members.items():
            now = vars(cls)
            for name, kept in members.items():
                _settle(cls, name, kept, now.get(name, introspect.NOTHING))

    def run_of(self, task: Task) -> Any:
        """Return the function that the task had of its own, or nothing."""
        return self._runs.get(task, introspect.NOTHING)

    def root_of(self, task: Task) -> Any:
        """Return the function or class that did the work of a task."""
        found = self._roots.get(task, introspect.NOTHING)
        return introspect.roots_of(task)[0] if found is introspect.NOTHING else found

    def is_root_of(self, task: Task, root: Any) -> bool:
        """True if this function or class did the work of a task."""
        return self._roots.get(task, _OTHER) is root

    def functions(self) -> list[FunctionType]:
        """Return the user's functions that the tasks could reach, their own among them."""
        return list(self._parts)

    def lookup(self, space: dict[str, Any], name: str) -> Any:
        """Return what a name stood for."""
        found = self._names.get((id(space), name), introspect.NOTHING)
        return space.get(name, introspect.NOTHING) if found is introspect.NOTHING else found

    def parts(self, function: FunctionType) -> tuple[Any, ...]:
        """Return the code of a function and its defaults, which may be replaced in place."""
        found = self._parts.get(function)
        return introspect.parts_of(function) if found is None else found

    def members(self, cls: type) -> dict[str, Any]:
        """Return what a class had in its body, which may be replaced in place."""
        found = self._members.get(cls)
        return introspect.members_of(cls) if found is None else found

    def holds(self) -> bool:
        """Tell whether every name still stands for the same, and no function was changed in place."""
        spaces = self._spaces
        for (space, name), value in self._names.items():
            if not _is_same(spaces[space], name, value, spaces[space].get(name, introspect.NOTHING)):
                return False
        for cls, members in self._members.items():
            now = introspect.members_of(cls)
            if members.keys() != now.keys():
                return False
            if not all(_is_same(cls, name, value, now[name]) for name, value in members.items()):
                return False
        return all(
            all(one is other for one, other in zip(parts, introspect.parts_of(function), strict=True))
            for function, parts in self._parts.items()
        )


def _is_same(owner: object, name: str, kept: Any, now: Any) -> bool:
    """Tell whether a name stands for what it stood for."""
    if now is kept or introspect.equal_plain(now, kept):
        return True
    if type(kept) is not Content or now is introspect.NOTHING:
        return False
    return is_volatile(owner, name) or _content(owner, now)[:2] == kept[:2]


def _settle(owner: object, name: str, kept: Any, now: Any) -> None:
    if type(kept) is Content and id(now) == kept.number and _content(owner, now).text != kept.text:
        note_volatile(owner, name)


def _content(owner: object, value: Any) -> Content:
    return content_of_name(value, by_identity=not isinstance(owner, type))


def _code_key(root: Any) -> int:
    """Return what two functions have in common that lead to the same code."""
    if type(root) is not FunctionType:
        return id(root)
    # What they hold may be functions as well, and other ones.
    held = (*(root.__defaults__ or ()), *(introspect.content_of(cell) for cell in root.__closure__ or ()))
    return id(root) if any(callable(value) for value in held) else id(root.__code__)
