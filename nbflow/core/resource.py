"""Resource managers: the decorator, and the object that makes a block when it is called in a flow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, overload

from nbflow.core.block import Block
from nbflow.core.context import context
from nbflow.core.manager import check_manager, maker_of
from nbflow.core.options import checked_limit
from nbflow.core.redefinition import remember
from nbflow.core.resource_tasks import (
    ResourceCleanupTask,
    ResourceInitTask,
    ResourceSetupTask,
    resource_cleanup_trigger,
)
from nbflow.errors import NoFlowError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.graph import Graph

__all__ = ["Block", "ResourceManager", "resource_cleanup_trigger", "resource_manager"]

_CLEANUP_FAILURE = ("ignore", "fail")
_SCOPES = ("run", "worker")


class ResourceManager:
    """A class that sets a resource up and cleans it up, ready to be called in a flow.

    Usually made by the decorator `resource_manager`.

    Args:
        resource_class: A class with `setup` (optional) and `cleanup(resource)`, or any callable that returns an object
            of such a class; a generator function that yields the resource once, asynchronous or not; a class of
            context managers, or a function decorated with `contextlib.contextmanager`.
        name: What the block is called; by default the class's name.
        init_task_kwargs: Options of the task that calls `resource_class`.
        setup_task_kwargs: Options of the task that calls `setup`.
        cleanup_task_kwargs: Options of the task that calls `cleanup`. A `trigger` of your own says whether it is
            called; if not, the resource is kept: open, and listed, until it is cleaned up by `nbflow.ledger.clean`.
        cleanup_failure: Whether a failed cleanup leaves the run's state alone (`"ignore"`; it is reported
            all the same) or makes the run fail (`"fail"`).
        grace_s: How long cleanup waits for a task of the block that cannot be stopped.
        cleanup_timeout_s: How long cleanup may take when the run is cancelled.
        max_concurrent: How many of its resources may be open at once when it is used inside `apply_map`.
        scope: Who has a resource of its own: each block of a run (`"run"`), or each worker process that needs one
            (`"worker"`, with ``executor="processes"``): the class is called there, and set up when the first task
            takes the resource. Where tasks share the kernel's memory the two are the same.

    Raises:
        OptionError: If `cleanup_failure` or `scope` is neither of the two, or a time is negative.
    """

    def __init__(
        self,
        resource_class: Callable[..., Any],
        name: str | None = None,
        init_task_kwargs: Mapping[str, Any] | None = None,
        setup_task_kwargs: Mapping[str, Any] | None = None,
        cleanup_task_kwargs: Mapping[str, Any] | None = None,
        *,
        cleanup_failure: str = "ignore",
        grace_s: float = 30,
        cleanup_timeout_s: float = 60,
        max_concurrent: int | None = None,
        scope: str = "run",
    ) -> None:
        self.resource_class = resource_class
        self.__doc__ = resource_class.__doc__ or type(self).__doc__
        self.name = name or str(getattr(resource_class, "__name__", "resource"))
        remember(resource_class, self.name)
        if cleanup_failure not in _CLEANUP_FAILURE:
            raise OptionError(f"cleanup_failure is {cleanup_failure!r}; give 'ignore' or 'fail'")
        if scope not in _SCOPES:
            raise OptionError(f"scope is {scope!r}; give 'run' or 'worker'")
        if grace_s < 0 or cleanup_timeout_s < 0:
            raise OptionError(f"grace_s={grace_s!r} and cleanup_timeout_s={cleanup_timeout_s!r} must not be negative")
        self.init_task_kwargs: dict[str, Any] = {"name": self.name, **(init_task_kwargs or {})}
        setup: dict[str, Any] = {"name": f"{self.name}.setup", "checkpoint": False}
        self.setup_task_kwargs = {**setup, **(setup_task_kwargs or {})}
        self.cleanup_task_kwargs: dict[str, Any] = {
            "name": f"{self.name}.cleanup",
            "trigger": resource_cleanup_trigger,
            "skip_on_upstream_skip": False,
            "checkpoint": False,
            **(cleanup_task_kwargs or {}),
        }
        self.cleanup_failure = cleanup_failure
        self.grace_s = grace_s
        self.cleanup_timeout_s = cleanup_timeout_s
        self.max_concurrent = checked_limit(max_concurrent)
        self.scope = scope

    def __repr__(self) -> str:
        return f"<ResourceManager: {self.name}>"

    def with_options(self, **options: Any) -> ResourceManager:
        """Return a manager of the same class with other options, such as ``name``, ``grace_s`` or ``max_concurrent``.

        Args:
            **options: As for `ResourceManager`; what is not given stays as it is here.

        Raises:
            OptionError: If an option has an impossible value.

        Example:
            >>> from nbflow.resources import TemporaryDirectory
            >>> TemporaryDirectory.with_options(name="scratch", max_concurrent=2).name
            'scratch'
        """
        kept = ["cleanup_failure", "grace_s", "cleanup_timeout_s", "max_concurrent", "scope"]
        if "name" not in options:
            kept += ["name", "init_task_kwargs", "setup_task_kwargs", "cleanup_task_kwargs"]
        return ResourceManager(self.resource_class, **{name: getattr(self, name) for name in kept} | options)

    def __call__(self, *args: Any, flow: Graph | None = None, **kwargs: Any) -> Block:
        """Add a block's tasks to the flow and return the block, to be entered with `with`.

        Args:
            *args: Arguments of the class: tasks, parameters or plain values.
            flow: The flow; by default the one being built.
            **kwargs: Keyword arguments of the class.

        Raises:
            NoFlowError: If no flow is given and none is being built.
            ManagerError: If the manager is a class without `cleanup`, or with one that cannot be called with the
                resource (`CleanupSignatureError`).
        """
        maker = maker_of(self.resource_class)
        if isinstance(maker, type):
            check_manager(maker, self.name)
        flow = flow if flow is not None else context.get("flow")
        if flow is None:
            raise NoFlowError(f"while creating a resource block of {self.name}")
        init = ResourceInitTask(self.resource_class, **self.init_task_kwargs)
        init.bind(*args, flow=flow, **kwargs)
        setup = None
        if hasattr(maker, "setup"):
            setup = ResourceSetupTask(**self.setup_task_kwargs)
            setup.bind(init, flow=flow)
        cleanup = ResourceCleanupTask(**self.cleanup_task_kwargs)
        cleanup.bind(init, setup, flow=flow)
        return Block(self, init, setup, cleanup, flow)


@overload
def resource_manager(resource_class: Callable[..., Any]) -> ResourceManager: ...


@overload
def resource_manager(
    *,
    name: str | None = None,
    init_task_kwargs: Mapping[str, Any] | None = None,
    setup_task_kwargs: Mapping[str, Any] | None = None,
    cleanup_task_kwargs: Mapping[str, Any] | None = None,
    cleanup_failure: str = "ignore",
    grace_s: float = 30,
    cleanup_timeout_s: float = 60,
    max_concurrent: int | None = None,
    scope: str = "run",
) -> Callable[[Callable[..., Any]], ResourceManager]: ...


def resource_manager(
    resource_class: Callable[..., Any] | None = None, **options: Any
) -> ResourceManager | Callable[[Callable[..., Any]], ResourceManager]:
    """Turn a class with `setup` and `cleanup` into a resource manager.

    Use it bare, or with the options of `ResourceManager`::

        @resource_manager
        class TempFile:
            def __init__(self, name):
                self.name = name
            def setup(self):
                return open(self.name, "w")
            def cleanup(self, file):
                file.close()

        with Flow("example"):
            with TempFile("a.txt") as file:
                write(file)

    or a generator function, whose code behind the `yield` cleans up::

        @resource_manager
        def temp_file(name):
            file = open(name, "w")
            yield file
            file.close()

    What a manager may have besides `setup` and `cleanup(resource)`:

    * `cleanup(resource, outcome)`, whose `BlockOutcome` says how the block's tasks ended; a generator gets it from its
      `yield`, or the errors thrown in where that stands in a `try` with an `except`; a context manager is told the
      first error.
    * `on_success(resource)` and `on_failure(resource)`, one of which is called before `cleanup` and cannot prevent it.
    * `self.defer(fn, *args)`, to be used inside of `setup`: called if the setup fails after all, last in first out.
    * `handle(resource)` and the static `reclaim(handle)`, with which the resource is found and removed even when the
      kernel has been killed.
    """
    if resource_class is None:
        return functools.partial(ResourceManager, **options)
    return ResourceManager(resource_class, **options)
