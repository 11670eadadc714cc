"""The fingerprint of all that decides what a function computes: to tell whether it has changed since.

Counted are bytecode, constants, defaults, closures, and whatever of the user's own the function reaches by global name:
functions, classes, tasks, functions of the user's modules, and values: by what they contain, or, where that is large or
not to be looked into, by which object it is (in another kernel only plain ones, such as numbers and texts). What is
of an installed package counts by its name, and what the tasks themselves change in place does not count. Not seen are
names made up at run time.
"""

from __future__ import annotations

import functools
import hashlib
from inspect import signature
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash import introspect
from nbflow.core.data.content import Content, content_of_name, is_volatile
from nbflow.core.data.fingerprint import fingerprint
from nbflow.core.ownership import is_ours
from nbflow.core.redefinition import newest
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.codehash.code_snapshot import CodeSnapshot

# What a task carries besides its work: how it is named, drawn, tried again and watched.
_OF_A_TASK = frozenset(signature(Task.__init__).parameters) | {
    *("run", "block", "default", "required", "resource_class", "auto_generated", "logger"),
    *("_own_signature", "__doc__", "__module__"),
}
_HAS_DOCSTRING = 0x4000000
Trace = tuple[tuple[str, str], ...]


class Reader:
    """Takes functions and tasks apart, with names standing for what they stand for now, or stood for then.

    Args:
        memory: Of then.
        across_kernels: Whether the answers are to be compared with those of another process. Then values in closures
            and defaults count by what they contain, which takes as long as pickling them; else by identity.
    """

    def __init__(self, memory: CodeSnapshot | None = None, *, across_kernels: bool = False) -> None:
        self._memory = memory
        self._across = across_kernels
        self._known: dict[int, tuple[Any, Trace]] = {}

    def task(self, task: Task, root: Any = introspect.NOTHING) -> Trace:
        """Return what a task is made of: names and short texts, equal for equal code; the task's own comes first.

        Args:
            task: The task.
            root: The function or class to take in place of its own.
        """
        own = {name: value for name, value in vars(task).items() if name not in _OF_A_TASK}
        if root is introspect.NOTHING:
            root = introspect.roots_of(task)[0] if self._memory is None else self._memory.root_of(task)
        trace = self.trace(root)
        if not own:
            return trace
        walk = _Walk(self)
        listed = [(name, walk.value(value)) for name, value in sorted(own.items())]
        return (*trace, ("an attribute", _digest(listed)), *walk.finish())

    def trace(self, root: Any) -> Trace:
        """Return what a function or class is made of; see `task`."""
        known = self._known.get(id(root))
        if known is not None:
            return known[1]
        walk = _Walk(self)
        own = ("its code", _digest(walk.value(root)))
        found = (own, *walk.finish())
        self._known[id(root)] = (root, found)
        return found

    def lookup(self, space: dict[str, Any], name: str) -> Any:
        """Return what a global name stands for."""
        return space.get(name, introspect.NOTHING) if self._memory is None else self._memory.lookup(space, name)

    def parts(self, function: FunctionType) -> tuple[Any, ...]:
        """Return a function's code, defaults and keyword defaults."""
        return introspect.parts_of(function) if self._memory is None else self._memory.parts(function)

    def members(self, cls: type) -> dict[str, Any]:
        """Return what a class has in its body."""
        return introspect.members_of(cls) if self._memory is None else self._memory.members(cls)

    def content(self, value: Any, *, of_class: bool = False) -> Content:
        """Return what stands for a value that is no code and is found by a name, or in the body of a class."""
        if self._across:  # what tasks have changed in place is known in their own kernel only
            return Content("?", value.cls if type(value) is Content else type(value), 0)
        return value if type(value) is Content else content_of_name(value, by_identity=not of_class)

    def leaves_out(self, owner: object, name: str) -> bool:
        """Tell whether what a name holds does not count, since tasks themselves change it."""
        return not self._across and is_volatile(owner, name)

    def opaque(self, value: Any) -> object:
        """Return what stands for a value of whose inside nothing is known."""
        return fingerprint(value) if self._across else f"{type(value).__qualname__} {id(value)}"


class _Walk:
    """One way through a function and all it reaches; functions and classes are numbered as they are met."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._numbers: dict[object, int] = {}
        self._met: list[tuple[str, Any]] = []
        self._inside: set[int] = set()

    def finish(self) -> list[tuple[str, str]]:
        found = []
        for label, value in self._met:  # grows meanwhile
            if introspect.is_plain(value):
                found.append((label, _digest(introspect.described(value))))
                continue
            if type(value) is Content:
                cls = self.value(value.cls, repr(value.cls.__name__)) if is_ours(value.cls.__module__) else ""
                found.append((label, _digest((value.text, cls))))
                continue
            parts = self._class(value) if introspect.is_a(value, type) else self._function(value)
            found.append((label, _digest(parts)))
        return found

    def _refer(self, label: str, value: Any) -> object:
        # A plain value is one of its name: other names may stand for the same object.
        key = label if introspect.is_plain(value) or type(value) is Content else id(value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._met)
            self._met.append((label, value))
        return "->", number

    def value(self, value: Any, label: str = "its code", *, is_global: bool = False, of_class: bool = False) -> object:
        """Describe a value by texts and numbers."""
        kind = type(value)
        if introspect.is_plain(value):
            return introspect.described(value)
        if introspect.is_a(value, MethodType):
            owner = "task" if introspect.is_a(value.__self__, Task) else self._reader.opaque(value.__self__)
            return "method", self.value(value.__func__, label), owner
        if introspect.is_a(value, FunctionType, type):
            # A name made inside of a function says nothing of what it stands for.
            if is_ours(value.__module__) or "<" in value.__qualname__:
                return self._refer(label, value)
            return "named", value.__module__, value.__qualname__
        if introspect.is_a(value, BuiltinFunctionType):
            return "named", str(value.__module__), value.__qualname__
        if kind is ModuleType:
            return "module", value.__name__
        if introspect.is_a(value, Task):
            return "task", [self.value(root, label) for root in introspect.roots_of(value)]
        if introspect.is_a(value, functools.partial):
            parts = (value.func, *value.args, *value.keywords.values())
            return "partial", self._values(value, parts, label), list(value.keywords)
        if parts := introspect.cell_parts(value):
            return self._cell(value, parts)
        wrapped = introspect.wrapped_by(value)
        if wrapped is not introspect.NOTHING:
            return "wrapped", kind.__qualname__, self._values(value, [wrapped], label)
        if is_global or of_class:
            return self._refer(label, self._reader.content(value, of_class=of_class))
        if kind in (list, tuple) and len(value) <= introspect.MANY:
            return kind.__name__, self._values(value, value, label)
        if kind is set and len(value) <= introspect.MANY and all(map(introspect.is_plain, value)):
            return "set", sorted(repr(introspect.described(one)) for one in value)
        if kind is dict and len(value) <= introspect.MANY:
            return "dict", self._values(value, [*value.keys(), *value.values()], label)
        return "?", self._reader.opaque(value)

    def _values(self, holder: Any, values: Iterable[Any], label: str) -> object:
        if id(holder) in self._inside:  # it contains itself
            return "..."
        self._inside.add(id(holder))
        parts = [self.value(value, label) for value in values]
        self._inside.discard(id(holder))
        return parts

    def _function(self, function: FunctionType) -> object:
        code, defaults, kwdefaults = self._reader.parts(function)
        used, document = introspect.used_names(code), function.__doc__
        named: list[object] = []
        for name in used:
            value = self._reader.lookup(function.__globals__, name)
            named.append((name, self._named(name, value, code, function.__globals__)))
        cells = [introspect.content_of(cell) for cell in function.__closure__ or ()]
        return (
            _code(code, document),
            [self.value(one) for one in defaults or ()],
            [(name, self.value(one)) for name, one in (kwdefaults or {}).items()],
            [(name, self.value(one, repr(name))) for name, one in zip(code.co_freevars, cells, strict=False)],
            named,
        )

    def _cell(self, function: Any, parts: tuple[CodeType, ...]) -> object:
        """Describe a cell that is a task: its code, and what it reads from the notebook that is no task's value."""
        named: list[object] = []
        for part in parts:
            for name in introspect.used_names(part):
                if name in function.inputs or name in function.own:
                    value = function.own.get(name, introspect.NOTHING)
                else:
                    value = self._reader.lookup(function.namespace, name)
                if value is not introspect.NOTHING and not introspect.is_a(value, Task):
                    named.append((name, self._named(name, value, part, function.namespace)))
        # A run that was held goes on with the order of the names that its cell gave before it was fixed.
        return [_code(part) for part in parts], list(function.inputs), sorted(function.outputs), named

    def _named(self, name: str, value: Any, code: CodeType, space: object) -> object:
        if value is introspect.NOTHING:
            return "missing"
        if self._reader.leaves_out(space, name) and not introspect.is_plain(value):
            return "?"
        if type(value) is ModuleType and is_ours(value.__name__):
            inner, parts = vars(value), []
            for part in introspect.all_names(code):
                if part in inner:
                    found = self._reader.lookup(inner, part)
                    parts.append((part, self.value(found, f"'{name}.{part}'", is_global=True)))
            return "module", parts
        if introspect.is_plain(value):
            return self._refer(repr(name), value)
        return self.value(value, repr(name), is_global=True)

    def _class(self, cls: type) -> object:
        found = []
        for name, value in sorted(self._reader.members(cls).items()):
            functions = introspect.functions_in(value)
            label = f"'{cls.__name__}.{name}'"
            if functions or not self._reader.leaves_out(cls, name):
                parts = functions or [value]
                found.append((name, [self.value(part, label, of_class=True) for part in parts]))
        return found, [self.value(base, repr(base.__name__)) for base in cls.__bases__]


def change(task: Task, then: Reader, now: Reader, before: Task | None = None, *, renewed: bool = True) -> str:
    """Say what has changed in a task's code, as in "its code"; an empty text if nothing has.

    Args:
        task: The task as it is now.
        then: Reads what was.
        now: Reads what is.
        before: The task then, if it was another object.
        renewed: Whether the newest definition of its function counts, although the task has an older one.
    """
    new = newest_root(task) if renewed else introspect.NOTHING
    one, other = then.task(before or task), now.task(task, new)
    if one == other:
        return ""
    # Of the code that both have, what was met first; the code itself only if it is not for another name in it.
    changed = [name for (name, text), (_, newer) in zip(one, other, strict=False) if text != newer]
    named = [name for name in changed if name != "its code"]
    return named[0] if named and changed[0] != "its code" else "its code"


def newest_root(task: Task) -> Any:
    """Return the newest definition of the function or class that does a task's work."""
    return newest(introspect.roots_of(task)[0])


def fingerprint_of(task: Task, then: CodeSnapshot | None = None, *, renewed: bool = False) -> str:
    """Return a short text that is equal for equal code, also in another process of the same Python version.

    Closure values that cannot be pickled make it a text that nothing else has.

    Args:
        task: The task.
        then: What its names stood for; by default what they stand for now.
        renewed: Whether the newest definition of its function counts, although the task has an older one.

    Example:
        >>> from nbflow import task
        >>> one, other = task(lambda x: x + 1), task(lambda x: x + 1)
        >>> fingerprint_of(one) == fingerprint_of(other)
        True
        >>> fingerprint_of(one) == fingerprint_of(task(lambda x: x + 2))
        False
    """
    return _digest(Reader(then, across_kernels=True).task(task, newest_root(task) if renewed else introspect.NOTHING))


def _code(code: CodeType, document: str | None = None) -> object:
    constants = list(code.co_consts)
    if document is not None and constants and constants[0] == document:
        constants[0] = None  # what a function says about itself changes nothing of what it does
    return (
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING),
        [_code(one) if isinstance(one, CodeType) else introspect.described(one) for one in constants],
    )


def _digest(parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
