"""A short text that is equal for equal values, to recognise the inputs of a cached result."""

from __future__ import annotations

import hashlib
import pickle
import uuid
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def fingerprint(value: Any) -> str:
    """Return a text that is the same for equal values of the same type, and differs otherwise.

    Neither the order of a set or dictionary nor shared parts matter; functions count by their code. A value that
    cannot be pickled never gets the same text twice.
    """
    try:
        return _digest(value)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when pickled
        return f"unique-{uuid.uuid4().hex}"


def _digest(value: Any) -> str:
    sink = _Sink()
    pickler = _Pickler(sink, protocol=5)
    pickler.fast = True  # no memo: equal values give equal bytes, whether or not they share parts
    pickler.dump(value)
    return sink.digest.hexdigest()


class _Sink:
    """Lets the pickler write into a hash, so that large values are never copied whole."""

    def __init__(self) -> None:
        self.digest = hashlib.blake2b(digest_size=16)
        self.write = self.digest.update


class _Pickler(pickle.Pickler):
    """Puts in order what has none, and looks into functions, which pickle knows by name only."""

    def persistent_id(self, obj: Any) -> object:
        kind = type(obj)
        if kind is dict:
            return "dict", [(key, obj[key]) for key in _in_order(obj)]
        if kind is set or kind is frozenset:
            return kind.__name__, _in_order(obj)
        if kind is FunctionType:
            return "function", obj.__module__, obj.__qualname__, _parts(obj)
        return None


def _in_order(values: Iterable[Any]) -> list[Any]:
    kinds = set(map(type, values))
    # Other types may refuse to be compared or, like sets, be comparable without being in any order.
    return sorted(values, key=None if kinds in ({str}, {int}) else _digest)


def _parts(function: FunctionType) -> tuple[object, ...]:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return _code_parts(function.__code__), function.__defaults__, function.__kwdefaults__, cells


def _code_parts(code: CodeType) -> tuple[object, ...]:
    constants = [_code_parts(part) if isinstance(part, CodeType) else part for part in code.co_consts]
    return code.co_code, code.co_names, constants
