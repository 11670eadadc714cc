"""A short text that is equal for equal values, to recognise the inputs of a cached result."""

from __future__ import annotations

import hashlib
import pickle
import uuid
from types import FunctionType
from typing import Any, Protocol


class _Hash(Protocol):
    def update(self, data: Any, /) -> None: ...


class _Sink:
    """Lets the pickler write into a hash, so that large values are never copied whole."""

    __slots__ = ("write",)

    def __init__(self, digest: _Hash) -> None:
        self.write = digest.update


def fingerprint(value: Any) -> str:
    """Return a text that differs when `value` differs.

    Containers are taken apart, so that neither the order of a set or dictionary nor shared parts matter; functions
    count by their code. A value that cannot be pickled never gets the same text twice.
    """
    try:
        return _print_of(value)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when pickled
        return f"unique-{uuid.uuid4().hex}"


def _feed(digest: _Hash, value: Any) -> None:
    kind = type(value)
    if kind in (list, tuple):
        digest.update(f"{kind.__name__}{len(value)}(".encode())
        for item in value:
            _feed(digest, item)
    elif kind in (set, frozenset):
        digest.update(f"{kind.__name__}{len(value)}(".encode())
        for text in sorted(map(_print_of, value)):
            digest.update(text.encode())
    elif kind is dict:
        digest.update(f"dict{len(value)}(".encode())
        for pair in sorted(_print_of(key) + _print_of(item) for key, item in value.items()):
            digest.update(pair.encode())
    elif kind is FunctionType:
        _feed_function(digest, value)
    else:
        pickler = pickle.Pickler(_Sink(digest), protocol=5)
        pickler.fast = True  # no memo: equal values give equal bytes, whether or not they share parts
        pickler.dump(value)


def _print_of(value: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, value)
    return digest.hexdigest()


def _feed_function(digest: _Hash, function: FunctionType) -> None:
    code = function.__code__
    digest.update(f"function {function.__module__}.{function.__qualname__}".encode())
    digest.update(code.co_code)
    consts = tuple(const for const in code.co_consts if not hasattr(const, "co_code"))
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    _feed(digest, (consts, code.co_names, function.__defaults__, function.__kwdefaults__, cells))
