"""A block made of any context manager, on the spot."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nbflow.core.task import Task
from nbflow.core.wrapped import ContextManager
from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources.varargs import VarargsManager, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.block import Block
    from nbflow.core.graph import Graph


def managed(cm: Any, *args: Any, name: str | None = None, flow: Graph | None = None, **kwargs: Any) -> Block:
    """Return a block whose resource is what a context manager gives on entering.

    It is left when the block's last task is done; `__exit__` is told the first error of the block's tasks, and what it
    returns changes nothing. Asynchronous context managers work too.

    Give what makes the context manager and its arguments, so that each run gets a new one: `managed(open, path)`. A
    context manager itself is entered by each run, which most of them allow only once.

    It is not reclaimable: if the kernel dies, what the context manager would have cleaned up is left. For a manager
    with options, such as a time limit for its cleanup, use `nbflow.resource_manager`.

    Args:
        cm: What makes a context manager when it is called with the arguments (a class, a function, also a task that
            gives one), or a context manager.
        *args: Its arguments; they may be tasks and parameters.
        name: What the block is called; by default the name of `cm`.
        flow: The flow; by default the one being built.
        **kwargs: Its keyword arguments.

    Raises:
        NoFlowError: If no flow is given and none is being built.
        OptionTypeError: If it is no context manager and makes none.
        OptionError: If a context manager itself is given with arguments.

    Example::

        with Flow("lines") as flow:
            with managed(open, path) as file:
                count(file)
    """
    if not isinstance(cm, Task):
        _check(cm, bool(args or kwargs))
    return VarargsManager(Managed, name or _name_of(cm))(cm, *args, flow=flow, **kwargs)


class Managed(ContextManager):
    """The manager behind `managed`."""

    def __init__(self, cm: Any, **kwargs: Any) -> None:
        _check(cm, bool(kwargs))
        self._cm = cm
        if _is_context_manager(cm):
            make: functools.partial[Any] = functools.partial(_same, cm)
        else:
            placed, named = split(kwargs)
            make = functools.partial(_made, cm, *placed, **named)
        super().__init__(make)

    @property
    def name(self) -> str:
        """What the user gave."""
        return _name_of(self._cm)


def _same(cm: Any) -> Any:
    return cm


def _made(cm: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    made = cm(*args, **kwargs)
    if not _is_context_manager(made):
        raise OptionTypeError(f"{_name_of(cm)} has made no context manager, but {made!r:.60}")
    return made


def _check(cm: Any, has_arguments: bool) -> None:
    if not _is_context_manager(cm):
        if not callable(cm):
            raise OptionTypeError(f"{cm!r:.60} is no context manager, and can not be called to make one")
    elif has_arguments:
        raise OptionError(
            f"{_name_of(cm)} is a context manager already and takes no arguments; give what makes it instead"
        )


def _is_context_manager(value: Any) -> bool:
    # A context manager may be callable as well, as those of `contextlib.contextmanager` are: this is asked first.
    kind = type(value)
    return (hasattr(kind, "__enter__") and hasattr(kind, "__exit__")) or (
        hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")
    )


def _name_of(cm: Any) -> str:
    if isinstance(cm, functools.partial):
        return _name_of(cm.func)
    if isinstance(cm, Task):
        return cm.name
    return str(getattr(cm, "__name__", None) or type(cm).__name__)
