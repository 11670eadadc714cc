"""A short text that is equal for equal values: to notice that a value was changed, to recognise the inputs of a result.

Values are never compared, hashed, measured or asked for their truth: users' objects may do anything then. Built-in
containers are read by their type's own iteration, arrays and frames in bulk (`array_content`, `frame_content`),
objects by their attributes or what they give to pickle (`object_content`). What is lazy, remote or bound to the
machine is not touched (`opaque`).

A value is encoded from the inside out. The encoding of a part that became long is replaced by its digest, so each part
is short and one that is met again costs nothing, whatever it holds.
"""

from __future__ import annotations

import uuid
from marshal import dumps
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.data.digest import digest, hexdigest
from nbflow.core.data.foreign_content import foreign_content
from nbflow.core.data.object_content import IfKnown, Unordered, class_data, function_content, name_of, object_content
from nbflow.core.data.opaque import UnknownError, is_opaque
from nbflow.core.data.value_type import identity, ids_of, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIMIT_BYTES = 4 << 30

_ATOMS: frozenset[type] = frozenset({int, float, complex, bool, str, bytes, type(None), type(...)})
_ATOM_IDS = ids_of(_ATOMS)
_LONG = 64  # an encoding of more bytes is replaced by its digest
_LARGE = 1 << 20  # a text of more bytes is hashed where it lies
_MANY = 10_000  # a container of more items is encoded in pieces

# No tag of `marshal` is among these: its tags are printable.
_DIGEST, _BACK, _TARGET, _LARGE_ATOM, _UNKNOWN = b"\1", b"\2", b"\3", b"\4", b"\5"
_LIST, _TUPLE, _DICT, _SET, _FROZENSET, _UNORDERED = b"\6", b"\7", b"\10", b"\11", b"\12", b"\13"
_CLASS, _OBJECT, _BYTES, _FUNCTION, _METHOD, _BUILTIN = b"\14", b"\15", b"\16", b"\17", b"\20", b"\21"
_VERSION = 2  # of the format of `marshal`: the newest in which equal values have equal bytes, interned or not


def fingerprint(value: Any) -> str:
    """Return a text that is the same for equal values of the same type, and differs otherwise.

    1, 1.0 and True differ, also inside containers, and the order of a dictionary's keys counts. Neither the order of a
    set nor shared parts matter; functions count by their code. What cannot be known never gets the same text twice.

    Example:
        >>> fingerprint([1, "a"]) == fingerprint([1, "a"]), fingerprint([1]) == fingerprint([True])
        (True, False)
    """
    return known_fingerprint(value) or f"unique-{uuid.uuid4().hex}"


def known_fingerprint(value: Any, limit_bytes: int | None = None) -> str | None:
    """Return the fingerprint of a value, or None if it is unknown: too large, lazy, remote, or not to be looked into.

    Never raises, computes or fetches anything, nor calls a user's `__eq__`, `__hash__`, `__len__` or `__bool__`.

    Args:
        value: Any value.
        limit_bytes: The most that is read; 4 GiB if None.

    Example:
        >>> known_fingerprint(i for i in ()) is None
        True
    """
    limit = LIMIT_BYTES if limit_bytes is None else limit_bytes
    try:
        encoded = _plain(value)
        if encoded is None:
            encoded = _Walk(limit).encode(value)
        elif len(encoded) > limit:
            return None
        return hexdigest(encoded)
    except BaseException:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return None


def _plain(value: Any) -> bytes | None:
    """Return the encoding of an atom or of a container of few atoms, None of anything else: most values, quickly."""
    kind = type_of(value)
    if kind in _ATOMS:
        return dumps(value, _VERSION) if kind not in (str, bytes) or len(value) < _LARGE else None
    if kind is list or kind is tuple:
        if len(value) <= _MANY and _ATOM_IDS.issuperset(map(identity, map(type, value))):
            return dumps(value, _VERSION)
    elif (
        kind is dict
        and len(value) <= _MANY
        and _ATOM_IDS.issuperset(map(identity, map(type, value)))
        and _ATOM_IDS.issuperset(map(identity, map(type, value.values())))
    ):
        return dumps(value, _VERSION)
    return None


class _Node:
    """A value of which some parts are not encoded yet."""

    __slots__ = ("header", "key", "number", "parts", "rest", "unordered")

    def __init__(self, header: bytes, children: Iterable[Any], unordered: bool = False) -> None:
        self.header = header
        self.rest: Iterator[Any] = iter(children)
        self.unordered = unordered
        self.parts: list[bytes] = []
        self.key = 0
        self.number: int | None = None

    def close(self) -> bytes:
        parts = sorted(self.parts) if self.unordered else self.parts
        body = b"".join((self.header, len(parts).to_bytes(8, "big"), *parts))
        if self.number is not None:
            body = _TARGET + self.number.to_bytes(4, "big") + body
        return _short(body)


def _short(encoded: bytes) -> bytes:
    return encoded if len(encoded) <= _LONG else _DIGEST + digest(encoded)


class _Walk:
    """One way through a value, with a stack of its own: values may be nested deeper than functions can be."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._done: dict[int, bytes] = {}
        self._kept: list[Any] = []  # so that nothing in `_done` goes and leaves its identity to another object
        self._open_nodes: dict[int, _Node] = {}
        self._targets = 0
        self._classes: dict[int, bytes] = {}

    def encode(self, value: Any) -> bytes:
        """Return bytes that are equal for equal values, and tell where they end.

        Raises:
            UnknownError: If a part is unknown. Whatever users' objects raise gets out, too.
        """
        stack = [_Node(b"", (value,))]
        try:
            return self._encode(stack)
        finally:
            for node in stack:
                self._open_nodes.pop(node.key, None)

    def _encode(self, stack: list[_Node]) -> bytes:
        done, kept, open_nodes = self._done, self._kept, self._open_nodes
        while True:
            node = stack[-1]
            parts = node.parts
            for child in node.rest:
                if identity(type(child)) in _ATOM_IDS:
                    parts.append(self._atom(child))
                    continue
                key = id(child)
                if key in done:
                    parts.append(done[key])
                    continue
                if key in open_nodes:  # a value that holds itself
                    parts.append(self._back(open_nodes[key]))
                    continue
                opened = self._open(child)
                kept.append(child)
                if isinstance(opened, bytes):
                    done[key] = opened
                    parts.append(opened)
                    continue
                opened.key = key
                open_nodes[key] = opened
                stack.append(opened)
                break
            else:
                stack.pop()
                if not stack:
                    return parts[0]
                encoded = node.close()
                del open_nodes[node.key]
                done[node.key] = encoded
                stack[-1].parts.append(encoded)

    def spend(self, size: int) -> None:
        """Note that so many bytes will be read."""
        self._left -= size
        if self._left < 0:
            raise UnknownError("it is too large")

    def _atom(self, value: Any) -> bytes:
        if type(value) is str and len(value) >= _LARGE:
            value = value.encode("utf-8", "surrogatepass")
            self.spend(len(value))
            return _LARGE_ATOM + b"u" + digest(value)
        if type(value) is bytes and len(value) >= _LARGE:
            self.spend(len(value))
            return _LARGE_ATOM + b"s" + digest(value)
        return dumps(value, _VERSION)

    def _back(self, node: _Node) -> bytes:
        if node.number is None:
            node.number = self._targets
            self._targets += 1
        return _BACK + node.number.to_bytes(4, "big")

    def _open(self, value: Any) -> bytes | _Node:
        kind = type_of(value)
        opener = _OPENERS.get(kind)
        if opener is not None:
            return opener(self, value)
        if kind is type or issubclass(kind, type):
            return self._class(value)
        if is_opaque(kind):
            raise UnknownError(f"a {kind.__qualname__} cannot be looked into")
        content = foreign_content(value, self.spend)
        return self._other(kind, object_content(value) if content is None else content)

    def _other(self, kind: type, content: list[Any]) -> bytes | _Node:
        header = _OBJECT + self._class(kind)
        if _ATOM_IDS.issuperset(map(identity, map(type, content))):
            return _short(header + dumps(content, _VERSION))
        return _Node(header, content)

    def _sequence(self, value: Any) -> bytes | _Node:
        self.spend(8 * len(value))
        encoded = _plain(value)
        if encoded is not None:
            self.spend(len(encoded))
            return _short(encoded)
        header = _LIST if type(value) is list else _TUPLE
        return _Node(header, _pieces(value) if len(value) > _MANY else value)

    def _dict(self, value: dict[Any, Any]) -> bytes | _Node:
        self.spend(16 * len(value))
        encoded = _plain(value)
        if encoded is not None:
            self.spend(len(encoded))
            return _short(encoded)
        if len(value) > _MANY:
            return _Node(_DICT, (list(value), list(value.values())))
        return _Node(_DICT, [*value, *value.values()])

    def _set(self, value: Any) -> bytes | _Node:
        self.spend(16 * len(value))
        header = _SET if type(value) is set else _FROZENSET
        return _Node(header, list(value), unordered=True)

    def _builtin(self, value: Any) -> bytes | _Node:
        owner = value.__self__
        return _Node(_BUILTIN, (value.__qualname__, value.__module__, None if type(owner) is ModuleType else owner))

    def _bytes(self, value: Any) -> bytes | _Node:
        view = memoryview(value)
        self.spend(view.nbytes)
        about = (type(value).__name__, view.format, str(view.shape), "" if type(value) is memoryview else None)
        return _BYTES + dumps(about, _VERSION) + digest(view if view.c_contiguous else view.tobytes())

    def _class(self, kind: type) -> bytes:
        """Return the encoding of a class: its name and, of a user's own, what it holds besides methods."""
        key = id(kind)
        if key not in self._classes:
            self._kept.append(kind)
            named = _CLASS + dumps(name_of(kind), _VERSION)
            self._classes[key] = named  # for what it holds of its own instances
            held = (pair for base in kind.__mro__ for pair in class_data(base))
            found = [dumps(name, _VERSION) + self._if_known(value) for name, value in held]
            self._classes[key] = _short(b"".join((named, *found)))
        return self._classes[key]

    def _if_known(self, value: Any) -> bytes:
        try:
            return self.encode(value)
        except RecursionError:  # how deep it is depends on the caller
            raise
        except BaseException:  # noqa: BLE001 - a lock in a class does not make all of its instances unknown
            return _UNKNOWN


def _pieces(values: Any) -> list[Any]:
    return [values[start : start + _MANY] for start in range(0, len(values), _MANY)]


_OPENERS: dict[type, Callable[[_Walk, Any], bytes | _Node]] = {
    list: _Walk._sequence,
    tuple: _Walk._sequence,
    dict: _Walk._dict,
    set: _Walk._set,
    frozenset: _Walk._set,
    Unordered: lambda walk, value: _Node(_UNORDERED, value.items, unordered=True),
    IfKnown: lambda walk, value: _short(b"".join(map(walk._if_known, value.items))),
    FunctionType: lambda walk, value: _Node(_FUNCTION, function_content(value)),
    MethodType: lambda walk, value: _Node(_METHOD, (value.__func__, value.__self__)),
    BuiltinFunctionType: _Walk._builtin,
    bytearray: _Walk._bytes,
    memoryview: _Walk._bytes,
}
