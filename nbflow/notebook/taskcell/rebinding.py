"""Functions of the notebook, called by a task: they see the values that the names have for the task.

A function looks names up where it was made: in the notebook, where a name that a task gives stands for the task. For
the time of a cell's task, what it reaches by name is replaced by copies that look names up among those of the task. A
list or dictionary that holds functions is copied for it too, and gets what the task has changed of the copy. The
methods of classes cannot be copied, since objects know their class: each is replaced once, by one that calls a copy.
"""

from __future__ import annotations

import copy
import dis
import functools
import itertools
from contextvars import ContextVar
from types import CellType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.introspect import content_of, functions_in, is_a, used_names
from nbflow.core.task import Task
from nbflow.notebook.source.function_body import inner_functions, is_of_notebook

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_MOST = 5_000  # functions and classes that are looked at for one cell
_MOST_ITEMS = 50
_CONTAINERS = (list, tuple, dict)


_here: ContextVar[Rebinding | None] = ContextVar("nbflow_rebinding", default=None)


class Rebinding:
    """The functions of one execution of one cell.

    Args:
        space: The names of the task, the values of its inputs among them.
        bound: The names that the cell binds itself.
    """

    def __init__(self, space: dict[str, Any], bound: Collection[str] = ()) -> None:
        self.space = space
        self.bound = frozenset(bound)
        self._original = dict(space)
        self._copies: dict[int, Any] = {}
        self._kept: list[Any] = []  # so that no identity comes twice
        self._differs: dict[int, bool] = {}
        self._containers: dict[int, tuple[Any, Any, list[Any]]] = {}  # by a copy's id: itself, whose, its items

    def __enter__(self) -> Rebinding:
        self._token = _here.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _here.reset(self._token)
        self._settle()

    def adopt(self, names: Iterable[str]) -> None:
        """Let what the cell reaches by these names see the names of the task."""
        pending = [name for name in names if name in self.space]
        seen = set(pending)
        while pending:
            name = pending.pop()
            value = self._original[name]
            for function in _functions(value):
                for other in used_names(function.__code__):
                    if other in self._original and other not in seen:
                        seen.add(other)
                        pending.append(other)
            self.space[name] = self.here(value)

    def itself(self, value: Any) -> Any:
        """Return the container that `value` is the task's copy of; what is no such copy is returned as it is."""
        return self._containers[id(value)][1] if id(value) in self._containers else value

    def _settle(self) -> None:
        """Put what the task has changed of its copies of containers into the containers."""
        for made, value, found in self._containers.values():
            if type(made) is tuple or _is_same(made, value, found):
                continue
            originals = {id(copied): one for copied, one in zip(found, _items(value), strict=False)}
            if type(made) is dict:
                now = {key: originals.get(id(one), one) for key, one in made.items()}
                value.clear()
                value.update(now)
            else:
                value[:] = [originals.get(id(one), one) for one in made]

    def here(self, value: Any) -> Any:
        """Return `value` as the task is to see it: itself, or a copy that looks names up among the task's."""
        known = self._copies.get(id(value))
        if known is not None:
            return known
        if is_a(value, FunctionType):
            return self._function(value)
        if is_a(value, type):
            self._class(value)
        elif type(value) in _CONTAINERS:
            return self._container(value)
        elif inner_functions(value) and any(map(self._needs, _functions(value))):
            return self._wrapper(value)
        else:
            self._class(type(value))
        return value

    def _keep(self, value: Any, made: Any) -> Any:
        self._copies[id(value)] = made
        self._kept.append(value)
        return made

    def _function(self, function: FunctionType) -> Any:
        cells = function.__closure__ or ()
        for held in map(content_of, cells):
            if not is_a(held, FunctionType):
                self._adopt_class_of(held)
        if not self._needs(function):
            return function
        names = self.space if is_of_notebook(function) else function.__globals__
        made = self._keep(function, _twin(function, names, cells and tuple(map(CellType, cells))))
        made.__defaults__ = self._defaults(function.__defaults__)
        words = function.__kwdefaults__
        made.__kwdefaults__ = words and dict(zip(words, self._defaults(words.values()) or (), strict=True))
        return self._keep(function, _twin(made, names, tuple(self._cell(cell) for cell in cells))) if cells else made

    def _defaults(self, values: Iterable[Any] | None) -> tuple[Any, ...] | None:
        return None if values is None else tuple(self.here(one) if callable(one) else one for one in values)

    def _cell(self, cell: CellType) -> CellType:
        """Return a cell of a closure: the same, unless it holds a function that sees other names here."""
        known: CellType | None = self._copies.get(id(cell))
        if known is not None:
            return known
        held = content_of(cell)
        if not is_a(held, FunctionType, MethodType) and not inner_functions(held):
            return cell
        made = CellType()
        self._keep(cell, made)
        found = self.here(held)
        if found is held:
            self._keep(cell, cell)
            return cell
        made.cell_contents = found
        return made

    def _wrapper(self, value: Any) -> Any:
        if isinstance(value, MethodType):
            return self._keep(value, MethodType(self.here(value.__func__), value.__self__))
        if isinstance(value, functools.partial):
            parts = [self.here(one) if callable(one) else one for one in value.args]
            words = {k: self.here(v) if callable(v) else v for k, v in value.keywords.items()}
            return self._keep(value, functools.partial(self.here(value.func), *parts, **words))
        if hasattr(value, "cache_parameters"):
            inner = self.here(value.__wrapped__)
            return self._keep(value, functools.lru_cache(**value.cache_parameters())(inner))
        if hasattr(value, "pyfunc"):
            made = copy.copy(value)
            made.pyfunc = self.here(value.pyfunc)
            return self._keep(value, made)
        return value

    def _container(self, value: Any) -> Any:
        items = _items(value)
        if len(items) != len(value):
            return value
        self._keep(value, value)  # if it holds itself
        found = [
            self.here(one) if callable(one) or type(one) in _CONTAINERS else self._adopt_class_of(one) for one in items
        ]
        if all(one is other for one, other in zip(items, found, strict=True)):
            return value
        made = dict(zip(value, found, strict=True)) if type(value) is dict else type(value)(found)
        self._containers[id(made)] = made, value, found
        return self._keep(value, made)

    def _adopt_class_of(self, value: Any) -> Any:
        self._class(type(value))
        return value

    # Classes

    def _class(self, cls: type) -> None:
        if getattr(cls, "__module__", None) != "__main__" or id(cls) in self._differs:
            return
        self._differs[id(cls)] = False
        self._kept.append(cls)
        for base in cls.__mro__:
            if base.__module__ != "__main__":
                continue
            for name, member in [*vars(base).items()]:
                if any(map(self._needs, functions_in(member))):
                    _set(base, name, _dispatching(member))

    # What differs

    def _needs(self, function: Any) -> bool:
        """Tell whether a function reaches a name that stands for something else here than where it was made."""
        function = getattr(function, "__nbflow_method__", function)
        if not is_a(function, FunctionType):
            return False
        known = self._differs.get(id(function))
        if known is None:
            known = any(map(self._sees_another, _reached(function, self._original)))
            self._differs[id(function)] = known
            self._kept.append(function)
        return known

    def _sees_another(self, function: FunctionType) -> bool:
        names = function.__globals__
        if names is self.space or not is_of_notebook(function):
            return False
        if stored_names(function.__code__):
            return True
        for name in used_names(function.__code__):
            if name in self.bound or name in ("globals", "eval", "exec"):
                return True
            there = names.get(name, names)
            if is_a(there, Task) or self._original.get(name, there) is not there:
                return True
        return False


@functools.lru_cache(maxsize=4_000)
def stored_names(code: CodeType) -> tuple[str, ...]:
    """Return the names that a piece of code binds by `global`."""
    found = [i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += stored_names(constant)
    return tuple(found)


def _twin(function: FunctionType, names: dict[str, Any], closure: tuple[CellType, ...]) -> FunctionType:
    """Return a function like another one that looks names up among `names`, and has another closure."""
    twin = FunctionType(function.__code__, names, function.__name__, function.__defaults__, closure)
    # The dictionary is shared: a function may count its calls.
    for name in ("__kwdefaults__", "__qualname__", "__doc__", "__module__", "__dict__", "__annotations__"):
        setattr(twin, name, getattr(function, name))
    return twin


def _items(value: Any) -> list[Any]:
    """Return the first items of a list, a tuple or a dictionary."""
    return [*itertools.islice(value.values() if type(value) is dict else value, _MOST_ITEMS)]


def _is_same(made: Any, value: Any, found: list[Any]) -> bool:
    """Tell whether a copy of a container is as it was made."""
    items = [*made.values()] if type(made) is dict else made
    is_like = len(items) == len(found) and all(one is other for one, other in zip(items, found, strict=True))
    return is_like and (type(made) is list or [*made] == [*value])


def _functions(value: Any) -> Iterator[FunctionType]:
    """Give the functions of the notebook in a value: itself, those it wraps, the methods of its class."""
    pending: list[Any] = [value]
    seen: set[int] = set()
    while pending and len(seen) < _MOST:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if is_a(one, FunctionType):
            one = getattr(one, "__nbflow_method__", one)
            if is_of_notebook(one):
                yield one
            pending += inner_functions(one)
        elif is_a(one, type):
            for base in one.__mro__:
                if base.__module__ == "__main__":
                    pending += [f for member in [*vars(base).values()] for f in functions_in(member)]
        elif type(one) in _CONTAINERS:
            pending += _items(one)
        else:
            pending += inner_functions(one)
            if getattr(type(one), "__module__", None) == "__main__":
                pending.append(type(one))


def _reached(function: FunctionType, names: dict[str, Any]) -> Iterator[FunctionType]:
    """Give a function and those that it reaches by name."""
    pending: list[Any] = [function]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        for found in _functions(one):
            if id(found) not in seen:
                seen.add(id(found))
                yield found
                pending += [names[n] for n in used_names(found.__code__) if n in names]


def _dispatching(member: Any) -> Any:
    """Return what stands in a class in the place of a method: it calls the one of the task that is running."""
    if isinstance(member, (staticmethod, classmethod)):
        return type(member)(_dispatching(member.__func__))
    if isinstance(member, property):
        get, put, delete = (
            None if one is None else _dispatching(one) for one in (member.fget, member.fset, member.fdel)
        )
        return property(get, put, delete, member.__doc__)
    if not is_a(member, FunctionType) or hasattr(member, "__nbflow_method__"):
        return member

    @functools.wraps(member)
    def method(*args: Any, **kwargs: Any) -> Any:
        here = _here.get()
        return (member if here is None else here.here(member))(*args, **kwargs)

    method.__nbflow_method__ = member  # type: ignore[attr-defined]
    return method


def _set(cls: type, name: str, value: Any) -> None:
    try:
        setattr(cls, name, value)
    except (AttributeError, TypeError):  # a class that lets nobody
        return
