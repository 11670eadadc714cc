"""How a manager's class gets to another process: as an import path, or by value when it was made in a notebook.

Of a class that goes by value only its `reclaim` does, so that what the other methods use need not be picklable.
"""

from __future__ import annotations

import base64
import functools
import inspect
import json
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.engine.open_resources import OpenResource

DEADLINE_S = 60.0


class NotPlainDataError(TypeError):
    """A handle that is not JSON data would not be the same in another process."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a manager's class offers to those who come after the kernel.

    Attributes:
        cls: The class.
        has_handle: Whether it has `handle(resource)`.
        has_early_handle: Whether it has `early_handle()`.
        can_reclaim: Whether it has `reclaim(handle)` besides one of them.
    """

    cls: type
    has_handle: bool
    has_early_handle: bool
    can_reclaim: bool


def kind_of(held: OpenResource) -> Kind:
    """Return what the class of a resource's manager offers; of a generator's or context manager's, nothing."""
    return _kind(held.manager_class)  # a metaclass might take the hash away


@functools.lru_cache(maxsize=64)
def _kind(cls: type) -> Kind:
    # A property too: what it gives, or raises, is seen when the manager is asked.
    handle, early = (
        callable(found) or isinstance(found, property)
        for found in (getattr(cls, name, None) for name in ("handle", "early_handle"))
    )
    return Kind(cls, handle, early, (handle or early) and callable(getattr(cls, "reclaim", None)))


def manager_name(held: OpenResource) -> str:
    """Return what the user called the manager."""
    made_by = held.block.manager.resource_class
    return str(getattr(made_by, "__qualname__", None) or type(made_by).__qualname__)


def plain(handle: object) -> str:
    """Return a handle as JSON.

    Raises:
        NotPlainDataError: If it would be something else when it is read again.
    """
    try:
        text = json.dumps(handle, allow_nan=False)
        if not _is_plain(handle):
            raise TypeError("a key is no string")
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPlainDataError(f"{type(handle).__name__} is not plain data: {error}") from error
    return text


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return True  # `json` has seen to the rest


def code_text(cls: type, deadline_s: float) -> str:
    """Return what another process of this user needs to call `cls.reclaim`, as JSON; made once for each class.

    Args:
        cls: The manager's class.
        deadline_s: How long a reclaim may take.

    Raises:
        Exception: As for `code_of`.
    """
    return _code_text(cls, deadline_s, _folder(), tuple(one for one in sys.path if isinstance(one, str)))


@functools.lru_cache(maxsize=64)
def _code_text(cls: type, deadline_s: float, cwd: str | None, sys_path: tuple[str, ...]) -> str:
    return json.dumps({**code_of(cls), "sys_path": sys_path, "cwd": cwd, "deadline_s": deadline_s})


@functools.lru_cache(maxsize=64)
def code_of(cls: type) -> dict[str, Any]:
    """Return how another process of this user finds `cls.reclaim`, as JSON data: not to be changed.

    Raises:
        TypeError: If `reclaim` cannot be called with a handle alone.
        Exception: Whatever pickling raises, for a class that cannot be imported and cannot travel by value.
    """
    reclaim = cls.reclaim  # type: ignore[attr-defined]
    try:
        inspect.signature(reclaim).bind(None)
    except ValueError:
        pass  # it has no signature to look at
    except TypeError as error:
        raise TypeError(f"{cls.__qualname__}.reclaim must be a staticmethod of one argument: {error}") from error
    if can_be_imported(cls):
        return {"import": f"{cls.__module__}:{cls.__qualname__}"}
    import cloudpickle

    return {"pickle": base64.b64encode(cloudpickle.dumps(reclaim)).decode("ascii")}


def can_be_imported(cls: type) -> bool:
    """Whether another process finds the class by its module and name, perhaps decorated there."""
    name = cls.__module__
    if name in ("__main__", "__mp_main__") or "<locals>" in cls.__qualname__:
        return False
    found: Any = sys.modules.get(name)
    try:
        if find_spec(name) is None:
            return False
        for part in cls.__qualname__.split("."):
            found = getattr(found, part)
    except (AttributeError, ImportError, ValueError):  # ValueError: a module that was made by hand
        return False
    return cls in (found, getattr(found, "resource_class", None))


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


@functools.lru_cache(maxsize=64)
def digest_of(code: str) -> str:
    """Return what code is told from other code by: the ledger keeps it once for all resources of a class."""
    from hashlib import sha256

    return sha256(code.encode()).hexdigest()
