"""A worker process's side of the resources that it opens for itself: in its main thread, when a task needs one."""

from __future__ import annotations

import functools
import operator
import sys
from importlib import import_module
from types import CoroutineType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.block_outcome import BlockOutcome
from nbflow.core.manager import has_setup, maker_of
from nbflow.core.resource_tasks import ResourceCleanupTask
from nbflow.core.wrapped import Wrapped
from nbflow.engine.attempt import Call, Outcome, perform, was_cut
from nbflow.engine.cleanup_hooks import tell_outcome
from nbflow.engine.open_resources import joined
from nbflow.engine.worker_resource import MANAGER, NamedTask, WorkerResource, resources_in
from nbflow.executors.parcel import packed, unpacked
from nbflow.executors.parent_death import die_with_parent
from nbflow.executors.remote_call import raised_of
from nbflow.executors.shipment import error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str, list[Any]], tuple[str, list[Any]]]


class OpenedHere:
    """A resource of this process.

    Attributes:
        name: The block's name.
        manager: The user's manager.
        resource: What its setup gave.
        is_told: Of the block's outcome, by a hook.
        tasks: The names of the tasks that have taken it, and the errors of those that failed.
    """

    def __init__(self, name: str, manager: Any, resource: Any) -> None:
        self.name, self.manager, self.resource = name, manager, resource
        self.is_told = False
        self.tasks: list[tuple[str, BaseException | None]] = []


class WorkerResources:
    """Opens resources, and closes them when the kernel says so.

    Args:
        ask: Says something to the kernel and returns its answer.
        known: Returns what all tasks of the run know.
        kernel: The number of the kernel's process.
    """

    def __init__(self, ask: Ask, known: Callable[[], dict[str, Any]], kernel: int) -> None:
        self._ask, self._known, self._kernel = ask, known, kernel
        self._opened: dict[str, OpenedHere] = {}
        self._used: dict[str, None] = {}  # by the task that runs

    def prepare(self, call: Call) -> Outcome | None:
        """Put what is open here in the place of what stands for it; returns what a setup that failed makes of a call.

        Nothing cuts a setup: an exception that is sent to the call meanwhile has it not begin (rule 13).
        """
        self._used.clear()
        try:
            for name, value in tuple(call.inputs.items()):
                call.inputs[name] = self._in_place(value, call)
        except BaseException as error:  # noqa: BLE001 - the user's setup
            return Outcome(None, error)
        return None

    def note(self, call: Call, outcome: Outcome) -> None:
        """Note what has come of a task that has taken resources."""
        for key in self._used:
            if key in self._opened:
                self._opened[key].tasks.append((call.task.name, outcome.error))
        self._used.clear()

    def _in_place(self, value: Any, call: Call) -> Any:
        if not resources_in(value):
            return value
        if type(value) is WorkerResource:
            opened = self._opened.get(value.key) or self._open(value, call)
            self._used[value.key] = None
            return opened.manager if value.part == MANAGER else opened.resource
        if type(value) is dict:
            return {key: self._in_place(part, call) for key, part in value.items()}
        return type(value)([self._in_place(part, call) for part in value])

    # -- setup ------------------------------------------------------------------------------------------------

    def _open(self, wanted: WorkerResource, call: Call) -> OpenedHere:
        kind, parts = self._ask("wants", [wanted.key.encode()])
        if kind == "refused":
            raise error_of(unpacked(parts))
        die_with_parent(self._kernel, is_wanted=True)
        setup = _call(f"{wanted.name}.setup", call.context)
        manager: Any = None
        early: list[Any] = []
        try:
            made_by, inputs = unpacked(parts)
            if type(made_by) is tuple:
                made_by = getattr(import_module(made_by[0]), made_by[1])
                made_by = getattr(made_by, "resource_class", made_by)
            inputs = {name: self._in_place(value, call) for name, value in inputs.items()}
            manager = self._made(wanted.name, made_by, inputs, call)
            cls = None if isinstance(made_by, type) or isinstance(manager, Wrapped) else type(manager)
            if _has(manager, "early_handle"):
                early += self._say("early", wanted.key, lambda: manager.early_handle(), cls)
            opened = OpenedHere(wanted.name, manager, _set_up(setup, manager))
            self._opened[wanted.key] = opened
            self._say("opened", wanted.key, (lambda: manager.handle(opened.resource)), cls, _has(manager, "handle"))
            return opened
        except BaseException as error:
            if wanted.key not in self._opened:
                left = _undone(setup, manager, early, error)
                self._ask("unopened", packed((wanted.key, None, None if left is None else raised_of(left), None)))
                self._let_live()
            raise

    def _made(self, name: str, made_by: Any, inputs: dict[str, Any], call: Call) -> Any:
        init = _call(name, call.context)
        init.keep(functools.partial(maker_of(made_by), **inputs))
        return _value_of(perform(init))

    def _say(self, kind: str, key: str, ask: Callable[[], Any], cls: type | None, has_handle: bool = True) -> list[Any]:
        """Tell the kernel what a manager says it is found by; returns when that is on disk: the handle, if any."""
        value, raised = None, None
        if has_handle:
            try:
                value = ask()
                if type(value) is CoroutineType:
                    value.close()
                    raise TypeError("it gave a coroutine")
                packed(value)
            except BaseException as error:  # noqa: BLE001 - users' code, which costs only the handle (rule 17)
                value, raised = None, raised_of(error)
        try:
            parts = packed((key, value, raised, cls))
        except Exception:  # noqa: BLE001 - a class that cannot travel is not known over there
            parts = packed((key, value, raised, None))
        self._ask(kind, parts)
        return [] if value is None else [value]

    # -- cleanup ----------------------------------------------------------------------------------------------

    def close(self, key: str, parts: list[Any]) -> list[Any]:
        """Clean a resource up; returns what came of it, ready to travel. With no outcome, that of its tasks here."""
        opened = self._opened.get(key)
        if opened is None:
            return packed((None, None))
        clean_up: Any = functools.partial(ResourceCleanupTask.run, None)  # type: ignore[arg-type]
        inputs = {"mgr": opened.manager, "resource": opened.resource}
        call = _call(f"{opened.name}.cleanup", self._known(), clean_up, inputs)
        call.shielded = True
        call.context  # noqa: B018 - made before `tell_outcome` adds to it
        tell_outcome(call, opened, lambda: _outcome_of(parts) if parts else _outcome_here(opened))  # type: ignore[arg-type]
        error = perform(call).error
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if error is None:
            del self._opened[key]
            self._let_live()
        return packed((raised_of(error), raised_of(call.hook_error)))

    def _let_live(self) -> None:
        if not self._opened:
            die_with_parent(self._kernel, is_wanted=False)


def _call(name: str, known: dict[str, Any], fn: Any = None, inputs: dict[str, Any] | None = None) -> Call:
    task: Any = SimpleNamespace(name=name, files=False, log_stdout=False)
    values = {**known, "task_name": name}
    call = Call(-1, task, fn, inputs or {}, lambda *_: dict(values))
    call.is_simple = True
    return call


def _set_up(setup: Call, manager: Any) -> Any:
    """Return the resource; a setup that fails has undone what it deferred (rule 9)."""
    setup.inputs["mgr"] = manager
    if issubclass(type(manager), Wrapped):
        setup.keep(next)
        setup.begin = manager.begin
    elif has_setup(manager):
        setup.keep(operator.methodcaller("setup"), manager)
    else:
        return None
    return _value_of(perform(setup))


def _value_of(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def _undone(setup: Call, manager: Any, early: list[Any], error: BaseException) -> BaseException | None:
    """Reclaim what a setup that did not end well may have made; returns why something of it may be left (rule 13).

    As `Cleanup.half_setup` does in the kernel.
    """
    if setup.undone:
        return joined([error for _, error in setup.undone], setup.task.name)
    reclaim = getattr(type(manager), "reclaim", None)
    if early and callable(reclaim) and setup.has_begun:
        return perform(_call(setup.task.name, setup.context, functools.partial(reclaim, *early))).error
    if setup.has_begun and was_cut(error) and not (setup.had_deferred or isinstance(manager, Wrapped)):
        return RuntimeError(f"{setup.task.name!r} was cut short; what it had made may be left")
    return None


def _has(manager: Any, method: str) -> bool:
    found = getattr(type(manager), method, None)
    return callable(found) or isinstance(found, property)


def _outcome_of(parts: list[Any]) -> BlockOutcome:
    names, raised = unpacked(parts)
    errors = tuple(error_of(one) for one in raised)
    ends: dict[str, Any] = {end: tuple(map(NamedTask, found)) for end, found in names.items()}
    return BlockOutcome(**ends, error=errors[0] if errors else None, errors=errors)


def _outcome_here(opened: OpenedHere) -> BlockOutcome:
    errors = tuple(error for _, error in opened.tasks if error is not None)
    failed = tuple(NamedTask(name) for name, error in opened.tasks if error is not None)
    well = tuple(NamedTask(name) for name, error in opened.tasks if error is None)
    some: dict[str, Any] = {"succeeded": well, "failed": failed}
    return BlockOutcome(**some, error=errors[0] if errors else None, errors=errors)
