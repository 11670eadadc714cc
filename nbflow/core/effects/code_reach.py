"""The reach of a task's function: what it mentions, itself or through the user's helpers that it reaches by name."""

from __future__ import annotations

import dis
import functools
import importlib
import random
import sys
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.introspect import MANY, NOTHING, all_names, content_of, inside_of, is_a
from nbflow.core.data.value_type import type_of
from nbflow.core.ownership import is_ours
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_PROGRESS = frozenset({"task_loop_result", "task_loop_count"})
_STATES = frozenset({"getstate", "setstate", "get_state", "set_state"})
_SIGNALS = frozenset({"LOOP", "RETRY", "signals"})
_OWN_GENERATORS = frozenset({"Random", "SystemRandom"})
_NUMPY_GENERATORS = frozenset(
    ("default_rng", "Generator", "RandomState", "SeedSequence", "BitGenerator", "PCG64", "PCG64DXSM", "MT19937")
) | {"Philox", "SFC64", "get_bit_generator"}
_DRAWING_METHODS = frozenset({"sample", "shuffle"})
_GIVEN_GENERATOR = frozenset({"random_state", "rng", "generator"})
_NAMED = frozenset({"LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"})


def reads_loop_progress(function: Any) -> bool:
    """Tell whether a function looks at what a LOOP has come to.

    Example:
        >>> from nbflow import context
        >>> reads_loop_progress(lambda: context.task_loop_count)
        True
    """
    return any(not _PROGRESS.isdisjoint(_words(code)) for code, _ in _reached(function))


def may_ask_again(function: Any) -> bool:
    """Tell whether a function can ask to be called again, by LOOP or RETRY.

    Example:
        >>> may_ask_again(lambda: 1)
        False
    """
    if type(function) is FunctionType and not _names_anything(function):
        return False
    for code, space in _reached(function):
        if not _SIGNALS.isdisjoint(_words(code)):
            return True
        for name in all_names(code):  # under another name
            value = space.get(name)
            if (
                type(value) is type and issubclass(value, Exception) and value.__module__ == "nbflow.core.signals"
            ) and value.__name__ in _SIGNALS:
                return True
            if type(value) is ModuleType and value.__name__ in ("nbflow.signals", "nbflow.core.signals"):
                return True
    return False


def draws_random(function: Any, own: Collection[str] = ()) -> frozenset[str]:
    """Return the global generators of random numbers that a function may use: `random`, `numpy.random`.

    Generators of the user's own, such as `numpy.random.default_rng()`, do not count.

    Args:
        function: The function.
        own: The arguments that are known to be such generators.

    Example:
        >>> import random
        >>> sorted(draws_random(lambda: random.random()))
        ['random']
    """
    if type(function) is FunctionType and not _names_anything(function):
        return frozenset()
    found: set[str] = set()
    for code, space in _reached(function):
        found |= _drawn_by(code, space, own)
        own = ()  # in the functions that it calls, the names mean something else
        if len(found) == 2:
            break
    return frozenset(found)


def only_seeds(function: Any) -> bool:
    """Tell whether all that a function does with the global generators is to seed them: what they drew is no matter.

    Example:
        >>> import random
        >>> only_seeds(lambda: random.seed(1)), only_seeds(lambda: random.random())
        (True, False)
    """
    return all(
        chain[-1:] == ("seed",) and len(chain) > 1
        for code, space in _reached(function)
        for chain in _chains(code)
        if _drawn_by_chain(chain, code, space) is not None
    )


def handles_random_states(function: Any) -> bool:
    """Tell whether a function may look at the state of a generator, or put one back.

    Example:
        >>> import random
        >>> handles_random_states(lambda: random.getstate())
        True
    """
    return any(not _STATES.isdisjoint(_words(code)) for code, _ in _reached(function))


def _names_anything(function: FunctionType) -> bool:
    """Tell whether a function can reach anything but its arguments."""
    return bool(
        all_names(function.__code__)
        or function.__closure__
        or function.__defaults__
        or function.__kwdefaults__
        or function.__dict__
    )


def _drawn_by(code: CodeType, space: Mapping[str, Any], own: Collection[str]) -> set[str]:
    chains = (chain for chain in _chains(code) if chain[0] not in own)
    return {kind for chain in chains if (kind := _drawn_by_chain(chain, code, space)) is not None}


def _drawn_by_chain(chain: tuple[str, ...], code: CodeType, space: Mapping[str, Any]) -> str | None:
    kind = _generator_of(chain, space)
    if kind is None and "numpy" in sys.modules and not _DRAWING_METHODS.isdisjoint(chain[1:]):  # noqa: SIM102
        if not _words(code) & _GIVEN_GENERATOR and space.get(chain[0]) is not random:
            return "numpy.random"
    return kind


def _generator_of(chain: tuple[str, ...], space: Mapping[str, Any]) -> str | None:
    """Return the global generator that reading attributes one after the other comes to."""
    numpy_random = sys.modules.get("numpy.random")
    first, *rest = chain
    if first.partition(".")[0] == "@numpy" and "numpy" not in sys.modules:  # the function will load it
        names = [*first.split(".")[1:], *rest]
        return "numpy.random" if names[:1] == ["random"] and _NUMPY_GENERATORS.isdisjoint(names[1:2]) else None
    value = sys.modules.get(first[1:], NOTHING) if first.startswith("@") else space.get(first, NOTHING)
    while rest and type(value) is ModuleType:
        owner, name = value, rest.pop(0)
        if name == "random" and owner is sys.modules.get("numpy"):
            numpy_random = importlib.import_module("numpy.random")  # numpy loads it when it is first asked for
        value = vars(owner).get(name, NOTHING)
        if owner is random and name in _OWN_GENERATORS:
            return None
        if owner is numpy_random and name in _NUMPY_GENERATORS:
            return None
    if value is random or _is_of_random(value):
        return "random"
    if value is NOTHING or numpy_random is None:
        return None
    return "numpy.random" if value is numpy_random or _is_of_numpy(value, numpy_random) else None


def _is_of_random(value: Any) -> bool:
    """Tell whether a value is a function of the module `random`, bound to its one generator."""
    owner = getattr(value, "__self__", None) if is_a(value, MethodType, BuiltinMethodType) else value
    return owner is random._inst


def _is_of_numpy(value: Any, numpy_random: Any) -> bool:
    """Tell whether a value is a function of `numpy.random`, bound to its one generator."""
    shared = getattr(getattr(numpy_random, "mtrand", None), "_rand", NOTHING)
    if value is shared or type(value) in (type, ModuleType):
        return value is shared
    if not is_a(value, MethodType, BuiltinMethodType) and not type(value).__name__.startswith("cy"):
        return False  # a user's own, which may raise when it is looked at
    name = getattr(value, "__name__", "")
    is_function = callable(value) and name not in _NUMPY_GENERATORS and vars(numpy_random).get(name) is value
    return is_function or getattr(value, "__self__", None) is shared


@functools.lru_cache(maxsize=2_000)
def _chains(code: CodeType) -> frozenset[tuple[str, ...]]:
    """Return the names that are read in a piece of code, each with the attributes that are read of it at once.

    A module that the code imports itself is given by its name after an `@`.
    """
    found: set[tuple[str, ...]] = set()
    imported: dict[str, tuple[str, ...]] = {}
    for part in _parts(code):
        chain: tuple[str, ...] = ()
        names: object = None
        for step in dis.get_instructions(part):
            name, said = step.opname, step.argval
            if name in _NAMED:
                chain = (*chain, str(said)) if chain else ()
                continue
            if name.startswith("STORE_") and isinstance(said, str) and chain[:1] and chain[0][0] == "@":
                imported[said] = chain
            elif name in ("SWAP", "POP_TOP", "PUSH_NULL", "NOP") and chain and chain[0][0] == "@":
                continue
            if chain:
                found.add(chain)
                chain = chain[:1] if name.startswith("STORE_") and chain[0][0] == "@" else ()
            if name == "LOAD_CONST":
                names = said
            elif name == "IMPORT_NAME":
                chain = (f"@{said if names else said.partition('.')[0]}",)
            elif name.startswith("LOAD_") and isinstance(said, str):
                chain = (said,)
            elif name == "LOAD_FAST_LOAD_FAST":
                chain = (said[1],)
    used = {(*imported.get(one[0], one[:1]), *one[1:]) for one in found if one[0][0] != "@"}
    # What is imported by name counts, what is imported as a whole only when it is used.
    return frozenset(used | {chain for chain in imported.values() if len(chain) > 1})


@functools.lru_cache(maxsize=4_000)
def _words(code: CodeType) -> frozenset[str]:
    """Return the names and the texts that could be names in a piece of code."""
    found = set(all_names(code))
    for part in _parts(code):
        for constant in part.co_consts:
            if isinstance(constant, str):
                found.add(constant)
            elif isinstance(constant, tuple):
                found.update(one for one in constant if isinstance(one, str))
    return frozenset(found)


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _reached(function: Any) -> Iterator[tuple[CodeType, Mapping[str, Any]]]:
    """Give the code of a function and of what it reaches of the user's, each with what its names stand for."""
    pending: list[Any] = [function]
    seen: set[int] = set()
    while pending and len(seen) < MANY:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if is_a(one, FunctionType):
            cells = dict(zip(one.__code__.co_freevars, map(content_of, one.__closure__ or ()), strict=False))
            space = {**_named(one.__code__, one.__globals__), **cells}
            yield one.__code__, space
            wrapped = getattr(one, "__wrapped__", None)
            defaults = (*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values())
            pending += [value for value in (*space.values(), wrapped, *defaults) if _is_followed(value)]
            pending += _of_modules(one.__code__, space)
        elif is_a(one, type):
            for member in (member for base in one.__mro__ for member in vars(base).values()):
                inner = getattr(member, "fget", None) or getattr(member, "__func__", member)
                pending += [inner] if _is_followed(inner) else []
        elif isinstance(getattr(one, "_body", None), CodeType):  # the function of a cell
            for code in filter(None, (one._body, one._last)):
                named = _named(code, one.namespace) | one.own
                space = {name: value for name, value in named.items() if not is_a(value, Task)}  # it gets its value
                yield code, space
                pending += [value for value in space.values() if _is_followed(value)]
                pending += _of_modules(code, space)
        else:
            pending += inside_of(one)
            pending += [type(one)] if is_ours(type_of(one).__module__) else []
            if is_a(one, MethodType):
                pending += [type(one.__self__)]


def _named(code: CodeType, space: Mapping[str, Any]) -> dict[str, Any]:
    return {name: space[name] for name in all_names(code) if name in space}


def _is_followed(value: Any) -> bool:
    try:
        if is_a(value, FunctionType, type):
            return is_ours(value.__module__) or (is_a(value, FunctionType) and "<" in value.__qualname__)
        is_code = callable(value) and not is_a(value, ModuleType)
        return is_code and (inside_of(value) != [] or is_ours(type(value).__module__))
    except BaseException:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked at
        return False


def _of_modules(code: CodeType, space: Mapping[str, Any]) -> list[Any]:
    """Return the functions and classes that a piece of code reaches in modules of the user's."""
    found: list[Any] = []
    for value in space.values():
        if is_a(value, ModuleType) and is_ours(value.__name__):
            found += [one for one in _named(code, vars(value)).values() if _is_followed(one)]
    return found
