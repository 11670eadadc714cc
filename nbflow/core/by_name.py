"""Calling a function by name although it wants its arguments by position.

A task gets every argument by name. A wrapper may promise more with its signature than it takes (`functools.wraps`
around `def wrapper(*args)`), and `functools.singledispatch` looks at the first argument by position. Both are found
when the task is made, and called the way they can be.
"""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nbflow.errors import RunSignatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def callable_by_name(name: str, function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """Return what takes the arguments of `signature` by name: the function itself, unless it wants some by position.

    Args:
        name: What the function is called in messages.
        function: The function; a method with its `self`.
        signature: What it shows to the outside.

    Raises:
        RunSignatureError: If it takes them neither way.
    """
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    if _dispatches(function):
        if not parameters or parameters[0].kind is not _POSITIONAL:
            raise RunSignatureError(
                f"{name} chooses what to call by its first argument, which must be free; wrap it in a function"
            )
        return _by_position(function, signature, fills_in=False)
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if takes_any or not (hasattr(function, "__wrapped__") or isinstance(function, functools.partial)):
        return function
    try:
        taken = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return function
    required = [p for p in parameters if p.default is p.empty]
    for wanted in (parameters, required):
        if _takes(taken, (), wanted):
            return function
        placed = [p for p in wanted if p.kind is _POSITIONAL]
        if _takes(taken, placed, [p for p in wanted if p.kind is not _POSITIONAL]):
            return _by_position(function, signature, fills_in=wanted is parameters)
    raise RunSignatureError(
        f"{name} is wrapped in a function that does not take its arguments ({', '.join(p.name for p in parameters)}); "
        "give the wrapper the same ones, or **kwargs"
    )


def unwrapped(function: Any) -> Any:
    """Return the function behind one that `callable_by_name` made; any other one as it is."""
    if type(function) is FunctionType and getattr(function, "_passes_by_position", False) is True:
        return function.__wrapped__  # type: ignore[attr-defined]
    return function


def _by_position(function: Callable[..., Any], signature: inspect.Signature, *, fills_in: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def by_position(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        if fills_in:  # what follows an argument that was left out has no place of its own
            bound.apply_defaults()
        return function(*bound.args, **bound.kwargs)

    by_position._passes_by_position = True  # type: ignore[attr-defined]
    return by_position


def _takes(signature: inspect.Signature, args: Iterable[inspect.Parameter], named: Iterable[inspect.Parameter]) -> bool:
    try:
        signature.bind(*args, **{p.name: p for p in named})
    except TypeError:
        return False
    return True


def _dispatches(function: Any) -> bool:
    """Tell whether a function looks for what to call by the type of its first argument."""
    while function is not None:
        if isinstance(function, functools.partial):
            if function.args:
                return False
            function = function.func
        elif callable(getattr(function, "__dict__", {}).get("register")):
            return True
        else:
            function = getattr(function, "__wrapped__", None)
    return False
