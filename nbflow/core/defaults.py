"""Attributes of a task as the defaults of its `run`."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nbflow.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

Run = TypeVar("Run", bound="Callable[..., Any]")


def defaults_from_attrs(*names: str) -> Callable[[Run], Run]:
    """Let arguments of `Task.run` that a call does not give come from the attributes of the task.

    A value that is given counts, also None. The attributes are looked up when the task runs, and only those needed.

    Args:
        *names: The arguments, which are called like the attributes.

    Raises:
        OptionError: If `run` has no such argument.

    Example:
        >>> from nbflow import Task, defaults_from_attrs
        >>> class Greet(Task):
        ...     def __init__(self, name=None, **options):
        ...         self.who = name
        ...         super().__init__(**options)
        ...     @defaults_from_attrs("who")
        ...     def run(self, who=None):
        ...         return f"hello {who}"
        >>> greet = Greet("Ada")
        >>> greet.run(), greet.run(who="Bob")
        ('hello Ada', 'hello Bob')
    """

    def decorate(run: Run) -> Run:
        parameters = inspect.signature(run).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        unknown = [name for name in names if name not in parameters and not takes_any]
        if unknown:
            raise OptionError(
                f"`{getattr(run, '__name__', 'run')}` has no argument {', '.join(map(repr, unknown))}; "
                "defaults_from_attrs takes the names of its arguments"
            )
        positional = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][
            1:
        ]

        def completed(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
            placed = positional[: len(args)]
            missing = (name for name in names if name not in kwargs and name not in placed)
            return {**kwargs, **{name: getattr(task, name) for name in missing}}

        if inspect.iscoroutinefunction(run):

            @functools.wraps(run)
            async def run_later(self: Any, *args: Any, **kwargs: Any) -> Any:
                return await run(self, *args, **completed(self, args, kwargs))

            return cast("Run", run_later)

        @functools.wraps(run)
        def run_now(self: Any, *args: Any, **kwargs: Any) -> Any:
            return run(self, *args, **completed(self, args, kwargs))

        return cast("Run", run_now)

    return decorate
