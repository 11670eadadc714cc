"""A function as a task: the `@task` decorator."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, overload

from nbflow.core import signature
from nbflow.core.redefinition import remember
from nbflow.core.task import Task
from nbflow.errors import OptionTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = ("__name__", "__qualname__", "__annotations__", "__type_params__")


class FunctionTask(Task):
    """A task whose `run` is a function.

    Args:
        fn: The function.
        name: What the task is called; by default the function's name.
        **kwargs: Options of the task.

    Raises:
        OptionTypeError: If `fn` cannot be called.
        RunSignatureError: If its arguments cannot be bound by name.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, **kwargs: Any) -> None:
        if not callable(fn):
            raise OptionTypeError(f"fn must be callable, but is {fn!r}; options of @task are given by keyword")
        found = signature.of_function(fn)
        if kwargs.get("nout") is None:
            kwargs["nout"] = found.nout
        if name is None:
            name = getattr(fn, "__name__", type(self).__name__)
        super().__init__(name=name, **kwargs)
        remember(fn, self.name)
        self.run = found.function  # type: ignore[method-assign]
        self._own_signature = found
        self.__doc__ = getattr(fn, "__doc__", None)
        self.__module__ = getattr(fn, "__module__", None) or type(self).__module__

    def _call_name(self) -> str:
        return self.name

    def __getattr__(self, name: str) -> Any:
        # Asked for only where the usual way finds nothing: what a decorated function shows of the one inside.
        fn = self.__dict__.get("run")
        if name == "__wrapped__" and fn is not None:
            return fn
        if name in _SHOWN and hasattr(fn, name):
            return getattr(fn, name)
        return super().__getattr__(name)  # type: ignore[misc]  # hidden from mypy, which would take any attribute


@overload
def task(fn: Callable[..., Any]) -> FunctionTask: ...


@overload
def task(fn: None = None, **task_init_kwargs: Any) -> Callable[[Callable[..., Any]], FunctionTask]: ...


@overload
def task(fn: Callable[..., Any], **task_init_kwargs: Any) -> FunctionTask: ...


def task(
    fn: Callable[..., Any] | None = None, **task_init_kwargs: Any
) -> FunctionTask | Callable[[Callable[..., Any]], FunctionTask]:
    """Turn a function into a task; use it bare, or with the options of `Task`.

    Example:
        >>> @task(tags={"math"})
        ... def inc(x):
        ...     return x + 1
        >>> inc.name, inc.run(1)
        ('inc', 2)
    """
    if fn is None:
        return functools.partial(task, **task_init_kwargs)
    return FunctionTask(fn, **task_init_kwargs)
