"""The arguments of a task's `run`: checked once, when the task is defined, and bound quickly at every call.

Every argument of a task travels by name along an edge, so a `run` must have names for all of them. `RunSignature` keeps
what a call needs to know; the standard library's own binding is asked only when a call is unusual or wrong.
"""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any

from nbflow.core.by_name import callable_by_name
from nbflow.errors import PositionalOnlyError, RunSignatureError

if TYPE_CHECKING:
    from collections.abc import Callable

RESERVED_ARGUMENTS = ("flow", "mapped", "task_args", "upstream_tasks")

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class RunSignature:
    """The arguments of one `run`.

    Attributes:
        function: What is called, by name: the function the signature was taken from, or one that calls that.
        signature: The full signature, without `self`.
        nout: The number of results, if the return annotation is a tuple of fixed length.
    """

    __slots__ = (
        *("_accepted", "_all_positional", "_positional", "_required", "_variable", "function", "nout"),
        *("signature",),
    )

    def __init__(self, function: Callable[..., Any], signature: inspect.Signature) -> None:
        """Prepare for binding calls of `function`."""
        parameters = signature.parameters.values()
        self.function = function
        self.signature = signature
        self.nout = _number_of_results(function, signature.return_annotation)
        self._positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self._accepted = frozenset(p.name for p in parameters if p.kind in _NAMED)
        self._required = frozenset(p.name for p in parameters if p.kind in _NAMED and p.default is p.empty)
        self._all_positional = len(self._positional) if len(self._positional) == len(self._accepted) else -1
        self._variable = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)

    def bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object]:
        """Return the arguments by name, variable keywords included and defaults left out.

        Raises:
            TypeError: If the function could not be called with these arguments.
        """
        positional = self._positional
        if not kwargs and len(args) == self._all_positional:
            if len(args) == 1:
                return {positional[0]: args[0]}
            return dict(zip(positional, args))  # noqa: B905 - they are of one length, and a keyword costs time
        if len(args) <= len(positional):
            bound: dict[str, object] = dict(zip(positional, args, strict=False))
            if not kwargs:
                if self._required <= bound.keys():
                    return bound
            elif bound.keys().isdisjoint(kwargs) and (self._variable is not None or kwargs.keys() <= self._accepted):
                bound.update(kwargs)
                if self._required <= bound.keys():
                    return bound
        found = dict(self.signature.bind(*args, **kwargs).arguments)
        if self._variable is not None:
            found.update(found.pop(self._variable, {}))
        return found

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Return `{argument: {"type", "default", "required"}}`."""
        found = {}
        for name, parameter in self.signature.parameters.items():
            required = parameter.default is parameter.empty
            found[name] = {
                "type": self._type_or_any(parameter.annotation),
                "default": None if required else parameter.default,
                "required": required,
            }
        return found

    def outputs(self) -> Any:
        """Return the return annotation, Any if there is none."""
        return self._type_or_any(self.signature.return_annotation)

    def _type_or_any(self, annotation: Any) -> Any:
        return Any if annotation is inspect.Signature.empty else resolved(annotation, self.function)


def of_function(function: Callable[..., Any]) -> RunSignature:
    """Return the signature of a function that becomes a task, refusing what cannot be one.

    Raises:
        RunSignatureError: If it cannot be inspected, has `*args`, or an argument with a reserved name.
        PositionalOnlyError: If it has positional-only arguments.
    """
    name = getattr(function, "__name__", type(function).__name__)
    found = _checked(name, function)
    return RunSignature(callable_by_name(name, function, found), found)


def of_method(cls: type, run: Any) -> RunSignature:
    """Return the signature of a `run` found in the body of the class `cls`, without its `self`.

    Raises:
        RunSignatureError: If it cannot be inspected, has `*args`, or an argument with a reserved name.
        PositionalOnlyError: If it has positional-only arguments beside `self`.
    """
    name = f"{cls.__qualname__}.run"
    if isinstance(run, staticmethod | classmethod):
        return RunSignature(run.__get__(None, cls), _checked(name, run.__get__(None, cls)))
    has_self = inspect.isroutine(run)
    found = _checked(name, run, has_self=has_self)
    if has_self and hasattr(run, "__wrapped__"):
        run = callable_by_name(name, run, inspect.signature(run))
    return RunSignature(run, found)


def of_instance(run: Callable[..., Any]) -> RunSignature:
    """Return the signature of a `run` that was set on a task after its definition.

    Raises:
        RunSignatureError: If its arguments cannot be given by name.
    """
    found = inspect.signature(run)
    return RunSignature(callable_by_name(getattr(run, "__name__", "run"), run, found), found)


def _checked(name: str, function: Callable[..., Any], has_self: bool = False) -> inspect.Signature:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise RunSignatureError(
            f"This function can not be inspected (this is common with builtins): {name}; "
            "in order to use it as a task, wrap it in a Python function with named arguments"
        ) from error
    if has_self:
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    parameters = signature.parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise RunSignatureError(
            f"Tasks with variable positional arguments (*args) are not supported, because all arguments "
            f"are passed by name: {name}; let it take a list, or **kwargs"
        )
    reserved = [key for key in RESERVED_ARGUMENTS if key in signature.parameters]
    if reserved:
        raise RunSignatureError(
            f"Tasks cannot have the following argument names: {', '.join(reserved)}; they are keywords of "
            f"every task call, rename them in {name}"
        )
    positional_only = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
    if positional_only:
        raise PositionalOnlyError(name, positional_only)
    return signature


def resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return an annotation of `function`, evaluated if it is text; text that cannot be evaluated stays text."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except Exception:  # noqa: BLE001 - it may be made of names that exist for type checkers only
        return annotation


def _number_of_results(function: Callable[..., Any], annotation: Any) -> int | None:
    """Return the length that a return annotation promises, None unless it is a tuple of fixed length."""
    if annotation is inspect.Signature.empty or annotation is None:
        return None
    if isinstance(annotation, str) and "uple" in annotation:
        annotation = resolved(annotation, function)
    if typing.get_origin(annotation) is not tuple or annotation is typing.Tuple:  # noqa: UP006
        return None
    items = typing.get_args(annotation)
    return None if any(map(_is_of_any_length, items)) else len(items)


def _is_of_any_length(item: Any) -> bool:
    return item is ... or typing.get_origin(item) is typing.Unpack or getattr(item, "__unpacked__", False)
