"""What a function is made of, as far as it decides what a task computes: to tell whether it has changed since.

Counted are bytecode, constants, defaults, closures, and whatever of the user's own the function reaches by global name:
functions, classes, tasks, functions of the user's modules, and plain values such as numbers and texts. What belongs to
an installed package counts by its name. Not seen are changes inside of objects that a name goes on standing for (a
list, a data frame, an attribute), names made up at run time, and what is reached through an object's methods.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import os
import sys
import sysconfig
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.definitions import newest
from nbflow.core.fingerprint import fingerprint
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Memory", "Reader", "change", "fingerprint_of"]

PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))
_MANY = 1_000
_OF_A_CLASS = frozenset(
    {
        *("__module__", "__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__"),
        *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__qualname__"),
    }
)
# What a task carries besides its work: how it is named, drawn, tried again and watched.
_OF_A_TASK = frozenset(
    {
        *(
            "name",
            "slug",
            "tags",
            "trigger",
            "state_handlers",
            "cache_validator",
            "max_retries",
            "retry_delay",
        ),
        *(
            "retry_on",
            "timeout",
            "skip_on_upstream_skip",
            "cache_for",
            "cache_key",
            "checkpoint",
            "log_stdout",
        ),
        *(
            "result",
            "target",
            "task_run_name",
            "nout",
            "max_concurrent",
            "auto_generated",
            "portable",
            "logger",
        ),
        *("run", "block", "default", "required", "_own_signature", "__doc__", "__module__", "resource_class"),
    }
)
_NOTHING: Any = object()
_OTHER: Any = object()
Trace = tuple[tuple[str, str], ...]


class Memory:
    """What the functions of some tasks were, and what the names in them stood for, at one moment.

    Made at the start of each run, so it only collects: no function is taken apart before somebody asks.

    Args:
        tasks: The tasks.
    """

    __slots__ = ("_members", "_names", "_parts", "_runs", "_spaces")

    def __init__(self, tasks: Iterable[Task]) -> None:
        runs = {task: task.__dict__.get("run", _NOTHING) for task in tasks}
        self._runs: dict[Task, Any] = runs
        self._names: dict[tuple[int, str], Any] = {}
        self._spaces: dict[int, dict[str, Any]] = {}
        self._parts: dict[FunctionType, tuple[Any, ...]] = {}
        self._members: dict[type, dict[str, Any]] = {}
        # Many tasks have one function, or one piece of code in many functions; what they name is the same.
        distinct = {id(run): (run, task) for task, run in runs.items() if run is not _NOTHING}
        pending: list[Any] = list({type(task) for task, run in runs.items() if run is _NOTHING})
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
            if _is(found, type):
                if is_ours(found.__module__):
                    self._members[found] = methods = _methods(found)
                    pending += [function for value in methods.values() for function in _functions(value)]
                    pending += found.__bases__
            elif _is(found, FunctionType):
                if is_ours(found.__module__) or "<" in found.__qualname__:
                    self._parts[found] = _parts_now(found)
                    pending += [_content(cell) for cell in found.__closure__ or ()]
                    self._note(found, pending)
            else:
                pending += _inside(found)

    def _note(self, function: FunctionType, pending: list[Any]) -> None:
        space, names = function.__globals__, _all_names(function.__code__)
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
        if _is(value, FunctionType, type, Task) or _wrapped(value) is not _NOTHING:
            pending.append(value)
        elif not _is_plain(value) and type(value) is not ModuleType:
            value = _OTHER  # never kept alive by this
        self._names[id(space), name] = value

    def run_of(self, task: Task) -> Any:
        """Return the function that the task had of its own, or nothing."""
        return self._runs.get(task, _NOTHING)

    def is_run_of(self, task: Task, run: Any) -> bool:
        """Whether `run`, or nothing of its own, was the task's function."""
        return self._runs.get(task, _OTHER) is run

    def lookup(self, space: dict[str, Any], name: str) -> Any:
        """Return what a name stood for."""
        found = self._names.get((id(space), name), _NOTHING)
        return space.get(name, _NOTHING) if found is _NOTHING else found

    def parts(self, function: FunctionType) -> tuple[Any, ...]:
        """Return the code of a function and its defaults, which may be replaced in place."""
        found = self._parts.get(function)
        return _parts_now(function) if found is None else found

    def methods(self, cls: type) -> dict[str, Any]:
        """Return the methods of a class, which may be replaced in place."""
        found = self._members.get(cls)
        return _methods(cls) if found is None else found

    def holds(self) -> bool:
        """Whether every name still stands for the same, and no function was changed in place."""
        spaces = self._spaces
        for (space, name), value in self._names.items():
            now = spaces[space].get(name, _NOTHING)
            if now is not value and not (value is _OTHER and not _is_plain(now)) and not _equal(now, value):
                return False
        if any(methods != _methods(cls) for cls, methods in self._members.items()):
            return False
        return all(
            all(one is other for one, other in zip(parts, _parts_now(function), strict=True))
            for function, parts in self._parts.items()
        )


class Reader:
    """Takes functions and tasks apart, with names standing for what they stand for now, or stood for then.

    Args:
        memory: Of then.
        across_kernels: Whether the answers are to be compared with those of another process. Then values in closures
            and defaults count by what they contain, which takes as long as pickling them; else by identity.
    """

    def __init__(self, memory: Memory | None = None, *, across_kernels: bool = False) -> None:
        self._memory = memory
        self._across = across_kernels
        self._known: dict[int, tuple[Any, Trace]] = {}

    def task(self, task: Task, run: Any = _NOTHING) -> Trace:
        """Return what a task is made of: names and short texts, equal for equal code; the task's own comes first.

        Args:
            task: The task.
            run: The function to take in place of its own.
        """
        if run is _NOTHING:
            run = self._memory.run_of(task) if self._memory is not None else vars(task).get("run", _NOTHING)
        own = {name: value for name, value in vars(task).items() if name not in _OF_A_TASK}
        root = getattr(task, "resource_class", _NOTHING)
        if root is _NOTHING:
            root = type(task) if run is _NOTHING else run
        trace = self.trace(root)
        if not own:
            return trace
        walk = _Walk(self)
        described = [(name, walk.value(value)) for name, value in sorted(own.items())]
        return (*trace, ("an attribute", _digest(described)), *walk.finish())

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
        return space.get(name, _NOTHING) if self._memory is None else self._memory.lookup(space, name)

    def parts(self, function: FunctionType) -> tuple[Any, ...]:
        """Return a function's code, defaults and keyword defaults."""
        return _parts_now(function) if self._memory is None else self._memory.parts(function)

    def members(self, cls: type) -> dict[str, Any]:
        """Return what a class has in its body."""
        methods = _methods(cls) if self._memory is None else self._memory.methods(cls)
        return {name: value for name, value in vars(cls).items() if not _functions(value)} | methods

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
            if _is_plain(value):
                described = _constant(value)
            else:
                described = self._class(value) if _is(value, type) else self._function(value)
            found.append((label, _digest(described)))
        return found

    def _refer(self, label: str, value: Any) -> object:
        # A plain value is one of its name: other names may stand for the same object.
        key = label if _is_plain(value) else id(value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._met)
            self._met.append((label, value))
        return "->", number

    def value(self, value: Any, label: str = "its code", *, is_global: bool = False) -> object:
        """Describe a value by texts and numbers."""
        kind = type(value)
        if _is_plain(value):
            return _constant(value)
        if _is(value, MethodType):
            owner = "task" if _is(value.__self__, Task) else self._reader.opaque(value.__self__)
            return "method", self.value(value.__func__, label), owner
        if _is(value, FunctionType, type):
            # A name made inside of a function says nothing of what it stands for.
            if is_ours(value.__module__) or "<" in value.__qualname__:
                return self._refer(label, value)
            return "named", value.__module__, value.__qualname__
        if _is(value, BuiltinFunctionType):
            return "named", str(value.__module__), value.__qualname__
        if kind is ModuleType:
            return "module", value.__name__
        if _is(value, Task):
            return "task", [self.value(root, label) for root in _roots(value)]
        if _is(value, functools.partial):
            parts = (value.func, *value.args, *value.keywords.values())
            return "partial", self._values(value, parts, label), list(value.keywords)
        wrapped = _wrapped(value)
        if wrapped is not _NOTHING:
            return "wrapped", kind.__qualname__, self._values(value, [wrapped], label)
        if is_global:
            return "?"
        if kind in (list, tuple) and len(value) <= _MANY:
            return kind.__name__, self._values(value, value, label)
        if kind is dict and len(value) <= _MANY:
            return "dict", self._values(value, [*value.keys(), *value.values()], label)
        return "?", self._reader.opaque(value)

    def _values(self, holder: Any, values: Iterable[Any], label: str) -> object:
        if id(holder) in self._inside:  # it contains itself
            return "..."
        self._inside.add(id(holder))
        described = [self.value(value, label) for value in values]
        self._inside.discard(id(holder))
        return described

    def _function(self, function: FunctionType) -> object:
        code, defaults, kwdefaults = self._reader.parts(function)
        used, document = _used_names(code), function.__doc__
        named: list[object] = []
        for name in used:
            value = self._reader.lookup(function.__globals__, name)
            named.append((name, self._named(name, value, code)))
        cells = [_content(cell) for cell in function.__closure__ or ()]
        return (
            _code(code, document),
            [self.value(one) for one in defaults or ()],
            [(name, self.value(one)) for name, one in (kwdefaults or {}).items()],
            [(name, self.value(one, repr(name))) for name, one in zip(code.co_freevars, cells, strict=False)],
            named,
        )

    def _named(self, name: str, value: Any, code: CodeType) -> object:
        if value is _NOTHING:
            return "missing"
        if type(value) is ModuleType and is_ours(value.__name__):
            inner, parts = vars(value), []
            for part in _all_names(code):
                if part in inner:
                    found = self._reader.lookup(inner, part)
                    parts.append((part, self.value(found, f"'{name}.{part}'", is_global=True)))
            return "module", parts
        if _is_plain(value):
            return self._refer(repr(name), value)
        return self.value(value, repr(name), is_global=True)

    def _class(self, cls: type) -> object:
        found = []
        for name, value in sorted(self._reader.members(cls).items()):
            if name not in _OF_A_CLASS:
                functions = _functions(value)
                parts = functions or [value]
                label = f"'{cls.__name__}.{name}'"
                found.append((name, [self.value(part, label, is_global=True) for part in parts]))
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
    new = newest_run(task) if renewed else _NOTHING
    one, other = then.task(before or task), now.task(task, new)
    if one == other:
        return ""
    # Of the code that both have, what was met first; the code itself only if it is not for another name in it.
    changed = [name for (name, text), (_, newer) in zip(one, other, strict=False) if text != newer]
    named = [name for name in changed if name != "its code"]
    return named[0] if named and changed[0] != "its code" else "its code"


def newest_run(task: Task) -> Any:
    """Return the newest definition of a task's function."""
    run = vars(task).get("run", _NOTHING)
    if run is _NOTHING:
        function = getattr(type(task), "run", None)
        if not isinstance(function, FunctionType):
            return _NOTHING
        found = newest(function)
        return _NOTHING if found is function else MethodType(found, task)
    if isinstance(run, MethodType):
        found = newest(run.__func__)
        return run if found is run.__func__ else MethodType(found, task)
    return newest(run)


def fingerprint_of(task: Task, then: Memory | None = None) -> str:
    """Return a short text that is equal for equal code, also in another process of the same Python version.

    Closure values that can not be pickled make it a text that nothing else has.

    Args:
        task: The task.
        then: What its names stood for; by default what they stand for now.

    Example:
        >>> from nbflow import task
        >>> one, other = task(lambda x: x + 1), task(lambda x: x + 1)
        >>> fingerprint_of(one) == fingerprint_of(other)
        True
        >>> fingerprint_of(one) == fingerprint_of(task(lambda x: x + 2))
        False
    """
    return _digest(Reader(then, across_kernels=True).task(task))


def is_ours(module: object) -> bool:
    """Whether a module is the user's: a notebook's, or a file's that is not installed."""
    return type(module) is str and _is_ours(module)


@functools.lru_cache(maxsize=1_000)
def _is_ours(module: str) -> bool:
    if module.partition(".")[0] == "nbflow":
        return False
    if module == "__main__" or module not in sys.modules:
        return True
    found = sys.modules[module]
    file = getattr(found, "__file__", None)
    if file is None:  # built in, or made at run time
        return getattr(getattr(found, "__spec__", None), "origin", None) not in ("built-in", "frozen")
    path = str(file)
    return "-packages" not in path and not path.startswith(_standard_library())


@functools.cache
def _standard_library() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[key] + os.sep for key in ("stdlib", "platstdlib") if key in paths)


def _roots(task: Task) -> list[Any]:
    run = vars(task).get("run", _NOTHING)
    made_of = vars(task).get("resource_class", _NOTHING)
    return [type(task) if run is _NOTHING else run] if made_of is _NOTHING else [made_of]


def _inside(value: Any) -> list[Any]:
    """Return what a value that is no function itself may call."""
    if _is(value, Task):
        return _roots(value)
    if _is(value, MethodType):
        return [value.__func__]
    if _is(value, functools.partial):
        return [value.func]
    wrapped = _wrapped(value)
    return [] if wrapped is _NOTHING else [wrapped]


def _is(value: Any, *kinds: type) -> bool:
    # Not `isinstance`, which asks the value: it may be a proxy that raises.
    return issubclass(type(value), kinds)


def _wrapped(value: Any) -> Any:
    try:
        return object.__getattribute__(value, "__wrapped__")
    except Exception:  # noqa: BLE001 - the user's object may raise anything
        return _NOTHING


def _functions(value: Any) -> list[Any]:
    """Return the functions in a member of a class."""
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset, value.fdel) if one is not None]
    return [value] if isinstance(value, FunctionType) else []


def _methods(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if _functions(value)}


def _parts_now(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None


def _is_plain(value: Any) -> bool:
    if type(value) in PLAIN:
        return True
    return type(value) in (tuple, frozenset) and len(value) <= _MANY and all(map(_is_plain, value))


def _equal(one: Any, other: Any) -> bool:
    return _is_plain(one) and _is_plain(other) and _constant(one) == _constant(other)


def _constant(value: Any) -> object:
    if isinstance(value, tuple):
        return "tuple", [_constant(one) for one in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(_constant(one)) for one in value)
    return type(value).__name__, repr(value)


def _code(code: CodeType, document: str | None = None) -> object:
    constants = list(code.co_consts)
    if document is not None and constants and constants[0] == document:
        constants[0] = ""  # what a function says about itself changes nothing of what it does
    return (
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        [_code(one) if isinstance(one, CodeType) else _constant(one) for one in constants],
    )


@functools.lru_cache(maxsize=4_000)
def _all_names(code: CodeType) -> tuple[str, ...]:
    """Return the names in a piece of code and in those inside it: quickly, so attributes are among them."""
    found = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(_all_names(constant)))
    return tuple(found)


@functools.lru_cache(maxsize=4_000)
def _used_names(code: CodeType) -> tuple[str, ...]:
    """Return the global names that a piece of code reads and does not write itself."""
    read: dict[str, None] = {}
    written: set[str] = set()
    pending = [code]
    while pending:
        part = pending.pop()
        for instruction in dis.get_instructions(part):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                read[instruction.argval] = None
            elif instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                written.add(instruction.argval)
        pending += [constant for constant in part.co_consts if isinstance(constant, CodeType)]
    return tuple(sorted(name for name in read if name not in written))


def _digest(described: object) -> str:
    return hashlib.blake2b(repr(described).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
