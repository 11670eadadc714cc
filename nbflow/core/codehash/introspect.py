"""Functions, classes and plain values, looked at without asking the objects: a user's may raise, or never end."""

from __future__ import annotations

import dis
import functools
from types import CodeType, FunctionType, MethodType
from typing import Any

from nbflow.core.data.object_content import content_of as content_of
from nbflow.core.data.value_type import identity, ids_of, type_of
from nbflow.core.task import Task

NOTHING: Any = object()
MANY = 1_000
_OF_A_CLASS = frozenset(
    {
        *("__module__", "__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__"),
        *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__qualname__"),
        # Caches, and what says in other words what the methods and defaults say.
        *("__slotnames__", "__abstractmethods__", "_abc_impl", "__dataclass_fields__", "__dataclass_params__"),
        "__parameters__",
    }
)
PLAIN = ids_of((int, float, complex, str, bytes, bool, type(None), type(...)))


def cell_parts(function: Any) -> tuple[CodeType, ...]:
    """Return the code of a notebook's cell that is a task's function; nothing for any other function."""
    if type(function).__name__ != "CellFunction":
        return ()
    parts = (vars(function).get("_body"), vars(function).get("_last"))
    return tuple(part for part in parts if isinstance(part, CodeType))


def roots_of(task: Task) -> list[Any]:
    """Return the function or class that does the work of a task."""
    run = vars(task).get("run", NOTHING)
    made_of = vars(task).get("resource_class", NOTHING)
    return [type(task) if run is NOTHING else run] if made_of is NOTHING else [made_of]


def inside_of(value: Any) -> list[Any]:
    """Return what a value that is no function itself may call."""
    if is_a(value, Task):
        return roots_of(value)
    if is_a(value, MethodType):
        return [value.__func__]
    if is_a(value, functools.partial):
        return [value.func]
    wrapped = wrapped_by(value)
    return [] if wrapped is NOTHING else [wrapped]


def is_a(value: Any, *kinds: type) -> bool:
    """Tell what a value is without asking it."""
    # Not `isinstance`, which asks the value: it may be a proxy that raises.
    return issubclass(type(value), kinds)


def wrapped_by(value: Any) -> Any:
    """Return what a decorated function wraps, else `NOTHING`."""
    try:
        return object.__getattribute__(value, "__wrapped__")
    except Exception:  # noqa: BLE001 - the user's object may raise anything
        return NOTHING


def functions_in(value: Any) -> list[Any]:
    """Return the functions in a member of a class."""
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [one for one in (value.fget, value.fset, value.fdel) if one is not None]
    return [value] if isinstance(value, FunctionType) else []


def methods_of(cls: type) -> dict[str, Any]:
    """Return the methods in the body of a class by name, with their decorators."""
    return {name: value for name, value in vars(cls).items() if functions_in(value)}


def members_of(cls: type) -> dict[str, Any]:
    """Return what a class has in its body, but for what Python puts there."""
    return {name: value for name, value in vars(cls).items() if name not in _OF_A_CLASS}


def parts_of(function: FunctionType) -> tuple[Any, ...]:
    """Return what of a function can be replaced in place: its code and its defaults."""
    return function.__code__, function.__defaults__, function.__kwdefaults__


def is_plain(value: Any) -> bool:
    """Tell whether a value says all about itself: a number, a text, a tuple of such."""
    if identity(type(value)) in PLAIN:
        return True
    return type_of(value) in (tuple, frozenset) and len(value) <= MANY and all(map(is_plain, value))


def equal_plain(one: Any, other: Any) -> bool:
    """Tell whether two plain values are the same, 1 and 1.0 apart."""
    return is_plain(one) and is_plain(other) and described(one) == described(other)


def described(value: Any) -> object:
    """Return what a plain value is as texts, equal for equal ones of one type."""
    if isinstance(value, tuple):
        return "tuple", [described(one) for one in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(described(one)) for one in value)
    return type(value).__name__, repr(value)


@functools.lru_cache(maxsize=4_000)
def all_names(code: CodeType) -> tuple[str, ...]:
    """Return the names in a piece of code and in those inside it: quickly, so attributes are among them."""
    found = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(all_names(constant)))
    return tuple(found)


@functools.lru_cache(maxsize=4_000)
def used_names(code: CodeType) -> tuple[str, ...]:
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
