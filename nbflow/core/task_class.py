"""The makings of a task class: the defaults of its options, what it shows of itself, and warnings about its use."""

from __future__ import annotations

import inspect
import logging
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.options import checked_delay, checked_switch
from nbflow.core.placement import NO_PLACEMENT, PLACEMENT_OPTIONS, placement_with
from nbflow.errors import TaskAttributeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from nbflow.core.placement import Placement
    from nbflow.core.task import Task

_COPY_HOOKS = ("__copy__", "__getstate__", "__reduce__", "__reduce_ex__", "__slots__", "__getnewargs_ex__")


class TaskDefaults:
    """The options that most tasks leave alone: kept here, they cost a task neither time nor memory."""

    slug: str | None = None
    max_retries: int = 0
    retry_delay: timedelta | None = None
    retry_on: set[type[BaseException]] | None = None
    timeout: int | None = None
    skip_on_upstream_skip: bool = True
    cache_for: timedelta | None = None
    cache_key: str | None = None
    checkpoint: bool | None = None
    log_stdout: bool = False
    result: Any = None
    target: Any = None
    task_run_name: Any = None
    nout: int | None = None
    max_concurrent: int | None = None
    portable: bool = False
    _input_mode: str | None = None
    keep: str | None = None
    files: bool = True
    placement: Placement = NO_PLACEMENT
    bundle: bool = True
    rerun_if_lost: bool = True
    auto_generated: bool = False
    # Of the kinds that look at skipped tasks as at others: the `case` they are in does not count among those.
    _skips_with_its_case: ClassVar[bool] = False


class SignatureOf:
    """The signature that `inspect` finds: of a task what a call takes, of a task class what makes one.

    A class has `__new__`, which would hide the arguments of `__init__`; a task has `__call__`, which would hide
    those of `run`.
    """

    call_keywords: ClassVar[tuple[inspect.Parameter, ...]]  # of every task; set where tasks are defined

    def __get__(self, task: Task | None, cls: type[Task]) -> inspect.Signature:
        if task is None:
            found = inspect.signature(cls.__init__)
            return found.replace(parameters=list(found.parameters.values())[1:])
        parameters = list(task._run_signature().signature.parameters.values())
        rest = [parameters.pop()] if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else []
        return inspect.Signature([*parameters, *self.call_keywords, *rest], return_annotation="Task")


class LoggerOf:
    """The logger of a task, named after it; a task may replace it by an attribute of its own."""

    def __get__(self, task: Task | None, cls: type[Task]) -> logging.Logger:
        return logging.getLogger("nbflow" if task is None else f"nbflow.{task.name}")


def _own_names(cls: type[Task], root: type[Task]) -> set[str]:
    """Return the attributes of a class that are not those of `root`, the class of all tasks."""
    return {name for base in cls.__mro__ if base not in root.__mro__ for name in base.__dict__}


def has_copy_hook(cls: type[Task], root: type[Task]) -> bool:
    """Tell whether a task class has its own idea of how its tasks are copied."""
    return not _own_names(cls, root).isdisjoint(_COPY_HOOKS)


def overwritten(cls: type[Task], root: type[Task], options: Iterable[str]) -> tuple[str, ...]:
    """Return the options for which a task class has attributes of its own, which making a task overwrites."""
    own = _own_names(cls, root)
    return tuple(
        name for name in options if name in own and not isinstance(inspect.getattr_static(cls, name), property)
    )


def reset_overwritten(task: Task, root: type[Task], names: Iterable[str], options: Iterable[str]) -> None:
    """Give options their defaults that a subclass has set before it called `__init__`, with a warning."""
    for name in dict.fromkeys((*names, *task.__dict__)):
        if name in options:
            task.__dict__[name] = getattr(root, name, None)
            warnings.warn(
                f"`{type(task).__name__}` sets a `{name}` attribute, which is overwritten by `Task`; "
                "call `super().__init__` first, or choose another name",
                stacklevel=3,
            )


def set_attributes(task: Task, values: Mapping[str, Any]) -> None:
    """Give a copy of a task other options than the task has."""
    for name, value in values.items():
        if name in PLACEMENT_OPTIONS and not hasattr(task, name):
            task.placement = placement_with(task.name, task.placement, **{name: value})
            continue
        if not hasattr(task, name):
            raise TaskAttributeError(f"{task!r} does not have {name} as an attribute")
        if name == "tags":
            value = task.tags.union(value)
        elif name in ("retry_delay", "cache_for"):
            value = checked_delay(name, value)
        elif name in ("bundle", "rerun_if_lost"):
            value = checked_switch(name, task.name, value)
        setattr(task, name, value)


def warn_of_argument(cls: str, task: str) -> None:
    """Warn of a task that was given to a class as if the class were called with a result."""
    warnings.warn(
        f"A Task was passed as an argument to {cls}, which makes a task and does not call it. You likely want to give "
        f"it its constants first and then call it with the results of tasks: {cls}(...)({task})",
        stacklevel=3,
    )
