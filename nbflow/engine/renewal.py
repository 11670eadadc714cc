"""Gives tasks and managers the newest definitions of their functions and classes, before they are called (rule C1)."""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from types import MethodType
from typing import TYPE_CHECKING, Any

from nbflow.core import signature
from nbflow.core.by_name import unwrapped
from nbflow.core.data.value_type import identity
from nbflow.core.manager import check_manager, maker_of
from nbflow.core.redefinition import newest, rival
from nbflow.core.resource_tasks import ResourceInitTask
from nbflow.core.wrapped import Wrapped
from nbflow.engine.events import warn_safely
from nbflow.errors import ManagerError, RetryError, RunSignatureError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


_renewed: weakref.WeakSet[Task] = weakref.WeakSet()


def renew_tasks(graph: CompiledGraph, tasks: Iterable[Task]) -> None:
    """Give each of some tasks the newest definition of what it calls.

    Raises:
        RetryError: If one does not take what the task is given; that task keeps what it has.
    """
    tasks = list(tasks)
    older = {key for key, root in _roots_of(tasks).items() if newest(root) is not root}
    if older:
        graph.note_renewal()
        for task in tasks:
            if identity(_root_of(task)) in older:
                renew(task, argument_names(graph, task))


def prepare_tasks(graph: CompiledGraph) -> None:
    """Do so for all tasks of a graph, and say which definitions another cell has too."""
    roots = list(map(unwrapped, graph.called.values()))
    _warn_of_rivals(roots)
    if any(newest(root) is not root for root in roots):
        renew_tasks(graph, graph.tasks)


def is_renewed(task: Task) -> bool:
    """Tell whether what a task calls was edited after the task had been made."""
    root = _root_of(task)
    return task in _renewed or newest(root) is not root


def warn_of_rivals(tasks: Iterable[Task]) -> None:
    """Say, once, which functions and classes of these tasks another cell has defined under the same name since."""
    _warn_of_rivals(_roots_of(tasks).values())


def _warn_of_rivals(roots: Iterable[Any]) -> None:
    for root in roots:
        found = rival(newest(root))
        if found is not None:
            name, here, there = found
            warn_safely(
                f"{name!r} is defined by two cells, {here} and {there}: what was made with that of {here} keeps it. "
                f"To use the other one, execute the cell again that calls {name!r} in the flow; "
                "to be rid of this, give one of them another name"
            )


def argument_names(graph: CompiledGraph, task: Task) -> list[str]:
    """Return the names of the arguments that a task is given."""
    edges = graph.edges_in[graph.index[task]]
    return list(dict.fromkeys([*(e.key for e in edges if e.key is not None), *graph.constants.get(task, ())]))


def renew(task: Task, inputs: Collection[str]) -> None:
    """Give a task the newest definition of its function, of its class, or of its block's manager.

    Raises:
        RetryError: If it does not take the arguments (`inputs`) that the task is given; the task keeps what it has.
    """
    old = _root_of(task)
    new = newest(old)
    if new is old:
        return
    _renewed.add(task)
    if isinstance(task, ResourceInitTask):
        _renew_init(task, new, inputs)
    elif "run" in vars(task):
        _check(task, new, inputs)
        try:
            task.run = signature.of_instance(new).function  # type: ignore[method-assign]
        except RunSignatureError as error:
            raise RetryError(task.name, str(error)) from None
    else:
        _check(task, functools.partial(new.run, task), inputs)
        try:
            task.__class__ = new
        except TypeError:  # other slots, say: then at least what it runs
            task.run = MethodType(new.run, task)  # type: ignore[method-assign]


def newest_run(task: Task) -> Any:
    """Return what a task that is to run is going to call, which it is given when the run begins."""
    old = _root_of(task)
    new = newest(old)
    if new is old or isinstance(task, ResourceInitTask):
        return task.run
    if "run" not in vars(task):
        return functools.partial(new.run, task)
    try:
        return signature.of_instance(new).function
    except RunSignatureError:  # the run will say so
        return new


def renew_manager(manager: object) -> None:
    """Give a manager whose setup is to be tried again the newest definition of what it is made of.

    One that has set something up keeps its own: that cleans it up.
    """
    if issubclass(type(manager), Wrapped):  # a proxy may raise when it is asked for its class
        manager.renew()  # type: ignore[attr-defined]
        return
    found = newest(type(manager))
    if found is not type(manager):
        with contextlib.suppress(TypeError):  # other slots, say: it keeps its class
            manager.__class__ = found


def _roots_of(tasks: Iterable[Task]) -> dict[int, Any]:
    called = {identity(one): one for one in map(_called_by, tasks)}  # first: many tasks have one function
    return {identity(root): root for root in map(unwrapped, called.values())}


def _root_of(task: Task) -> Any:
    return unwrapped(_called_by(task))


def _called_by(task: Task) -> Any:
    if isinstance(task, ResourceInitTask):
        return task.resource_class
    own = vars(task)
    return own["run"] if "run" in own else type(task)


def _renew_init(task: ResourceInitTask, new: Any, inputs: Collection[str]) -> None:
    maker, block = maker_of(new), task.block
    if isinstance(maker, type):
        try:
            check_manager(maker, task.name)
        except ManagerError as error:
            raise RetryError(task.name, str(error)) from None
    _check(task, maker, inputs)
    if block is not None:
        has_setup = hasattr(maker, "setup")
        if has_setup != (block.setup_task is not None):
            now = "has a `setup` now" if has_setup else "has no `setup` any more"
            raise RetryError(task.name, f"its manager {now}; execute the cell of its block")
        block.manager.resource_class = new
    task.resource_class = new
    task.run = maker  # type: ignore[method-assign]


def _check(task: Task, new: Any, inputs: Collection[str]) -> None:
    try:
        inspect.signature(new).bind(**dict.fromkeys(inputs))
    except TypeError as error:
        raise RetryError(task.name, str(error)) from None
    except ValueError:  # it does not say what it takes
        return
