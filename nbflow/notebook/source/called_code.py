"""The effects that functions, classes and objects have on names: they count where these are used."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.notebook.source.changes import called_name, root_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

# Decorators that leave the call of the function to others.
_WRAPPERS = frozenset(
    {
        *("lru_cache", "cache", "wraps", "njit", "jit", "vectorize", "guvectorize", "contextmanager"),
        *("partial", "asynccontextmanager", "staticmethod", "classmethod", "property", "setter"),
        *("cached_property", "dataclass", "total_ordering", "singledispatch", "register", "abstractmethod"),
        *("overload", "fixture", "task", "resource_manager", "numba_njit", "delayed", "no_grad"),
    }
)
# What they return holds what they were given.
_CARRIERS = frozenset(
    {
        *("partial", "partialmethod", "lru_cache", "cache", "njit", "jit", "vectorize", "update_wrapper", "wraps"),
        *("list", "tuple", "dict", "set", "sorted", "zip", "deque", "defaultdict", "OrderedDict", "copy", "deepcopy"),
        *("singledispatch", "contextmanager", "SimpleNamespace", "namedtuple", "iter", "reversed", "enumerate"),
    }
)
# What these methods return works only as long as their object does: a cursor of a connection, a future of a client.
_HANDLES = frozenset(
    {
        *("cursor", "execute", "connect", "begin", "session", "transaction", "channel", "pipeline"),
        *("get_client", "submit", "scatter", "persist", "create_task", "acquire"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The effects on the names of the notebook when somebody calls a function, or uses an object of a class.

    Attributes:
        read: May be read by it.
        changed: Their objects are changed in place.
        stored: Are bound by `global`.
        makes: Whether what it returns may read them too: a class makes objects, other functions make functions.
    """

    read: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    makes: bool = False

    def __or__(self, other: Body | None) -> Body:
        """Return what one or the other does."""
        if other is None or other == self:
            return self
        return Body(
            read=_both(self.read, other.read),
            changed=_both(self.changed, other.changed),
            stored=_both(self.stored, other.stored),
            makes=self.makes or other.makes,
        )


class CalledCode:
    """The functions, classes and objects that the names of a cell stand for, as far as they are known.

    Args:
        resolve: Tells it of what other cells have defined.
        read_by: Gives what a lambda reads.
    """

    def __init__(self, resolve: Callable[[str], Body | None], read_by: Callable[[ast.Lambda], Iterable[str]]) -> None:
        self._resolve = resolve
        self._read_by = read_by
        self.bodies: dict[str, Body] = {}

    def add(self, name: str, body: Body) -> None:
        """Note what the cell's own code of this name does, or what another binding of it does too."""
        self.bodies[name] = body | self.bodies.get(name)

    def carry(self, targets: Iterable[ast.expr], value: ast.expr, sure: Collection[str]) -> None:
        """Note that what `targets` hold may call functions that `value` holds, or be objects of its classes."""
        held = dict.fromkeys(self._held_in(value, sure))
        for target in targets if held else ():
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and part.id not in held:
                    self.add(part.id, Body(read=tuple(held)))

    def used(self, name: str, sure: Collection[str]) -> Body:
        """Return all that is done when `name` is used, also by what its code uses in turn.

        The names that the cell has bound for sure are its own, whatever other cells have defined.
        """
        read: dict[str, None] = {}
        changed: dict[str, None] = {}
        stored: dict[str, None] = {}
        seen = {name}

        def use(one: str) -> None:
            body = self._body(one, sure)
            if body is None:
                return
            for other in body.read:
                if other not in seen:
                    seen.add(other)
                    read[other] = None
                    use(other)
            changed.update(dict.fromkeys(body.changed))
            stored.update(dict.fromkeys(body.stored))

        use(name)
        return Body(read=tuple(read), changed=tuple(changed), stored=tuple(stored))

    def _body(self, name: str, sure: Collection[str]) -> Body | None:
        """Return what the function or class that a name stands for here does to names."""
        own = self.bodies.get(name)
        outer = None if name in sure else self._resolve(name)
        return outer if own is None else own | outer

    def _makes(self, name: str, sure: Collection[str], seen: set[str]) -> bool:
        body = None if name in seen else self._body(name, sure)
        seen.add(name)
        return body is not None and (body.makes or any(self._makes(other, sure, seen) for other in body.read))

    def _held_in(self, value: ast.expr, sure: Collection[str]) -> list[str]:
        found: list[str] = []
        pending: list[ast.AST] = [value]
        while pending:
            part = pending.pop()
            if isinstance(part, ast.Name):
                found += [part.id] if self._body(part.id, sure) is not None else []
            elif isinstance(part, ast.Call):
                name = root_name(part.func)
                called = part.func.attr if isinstance(part.func, ast.Attribute) else name
                makes = name is not None and self._makes(name, sure, set())
                is_handle = isinstance(part.func, ast.Attribute) and _is_handle(called or "", name or "")
                found += [name] if (makes or is_handle) and name is not None else []
                if makes or called in _CARRIERS:
                    pending += [*part.args, *(word.value for word in part.keywords)]
            elif isinstance(part, ast.Subscript):
                pending.append(part.value)
            elif isinstance(part, ast.Lambda):
                found += [name for name in self._read_by(part) if name not in found]
            elif not isinstance(part, (ast.Attribute, ast.Compare)):
                pending += ast.iter_child_nodes(part)
        return found


def only_wraps(decorator: ast.expr) -> bool:
    """Tell whether a decorator leaves the call of what it decorates to others."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called_name(function) in _WRAPPERS


def makes_code(node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function returns functions or classes that it has made."""
    if isinstance(node, ast.Lambda):
        return any(isinstance(part, ast.Lambda) for part in ast.walk(node.body))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    made = {part.name for part in ast.walk(node) if isinstance(part, kinds)}
    returned = (part.value for part in ast.walk(node) if isinstance(part, (ast.Return, ast.Yield)) and part.value)
    return any(
        isinstance(part, ast.Lambda) or (isinstance(part, ast.Name) and part.id in made)
        for value in returned
        for part in ast.walk(value)
    )


def _is_handle(method: str, owner: str) -> bool:
    runs_calls = any(word in owner.lower() for word in ("client", "pool", "executor"))
    return method in _HANDLES or (method == "map" and runs_calls)


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
