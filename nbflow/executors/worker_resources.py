"""A worker process's side of the resources that it opens for itself, when a task needs one.

Tasks may run in several threads of it: the first one that needs a resource has it opened, and the others wait.
"""

from __future__ import annotations

import functools
import operator
import sys
import threading
from importlib import import_module
from types import CoroutineType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nbflow.core.block_outcome import BlockOutcome
from nbflow.core.manager import has_setup, maker_of
from nbflow.core.resource_tasks import ResourceCleanupTask
from nbflow.core.wrapped import Wrapped
from nbflow.engine.attempt import Call, Outcome, TaskCancelled, perform, was_cut
from nbflow.engine.cleanup_hooks import tell_outcome
from nbflow.engine.open_resources import joined
from nbflow.engine.worker_resource import MANAGER, NamedTask, WorkerResource, resources_in
from nbflow.executors.parcel import packed, unpacked
from nbflow.executors.remote_call import raised_of
from nbflow.executors.shipment import error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[Call, str, list[Any]], tuple[str, list[Any]]]

T = TypeVar("T")
_LOOK_S = 0.05  # until a task that waits for another one's setup looks whether it is to stop


class Home(Protocol):
    """The thread in which the setup and the cleanup of a resource are called."""

    def run(self, work: Callable[[], T]) -> T:
        """Have something called there; returns what that returns, and raises what it raises."""

    def end(self) -> None:
        """Note that nothing more is called there."""


class InThisThread:
    """Calls in the thread that asks: the main one, of a process that makes one call at a time."""

    def run(self, work: Callable[[], T]) -> T:
        """Call it."""
        return work()

    def end(self) -> None:
        """Do nothing."""


class OpenedHere:
    """A resource of this process.

    Attributes:
        name: The block's name.
        manager: The user's manager.
        resource: What its setup gave.
        home: Where its setup was called, and its cleanup is going to be.
        is_found: Whether the kernel knows by what it is reclaimed if this process is no more.
        is_closing: Whether somebody has begun to clean it up, or to have that done.
        is_told: Of the block's outcome, by a hook.
        tasks: The names of the tasks that have taken it, and the errors of those that failed.
    """

    def __init__(self, name: str, manager: Any, resource: Any, home: Home) -> None:
        self.name, self.manager, self.resource, self.home = name, manager, resource, home
        self.is_found = self.is_closing = self.is_told = False
        self.tasks: list[tuple[str, BaseException | None]] = []


class WorkerResources:
    """Opens resources, and closes them when the kernel says so.

    Args:
        ask: Says something of a call to the kernel and returns its answer.
        known: Returns what all tasks of the run know.
        make_home: Makes a thread for a resource.
        note_open: Is told whether anything is open here, or is about to be.
    """

    def __init__(
        self,
        ask: Ask,
        known: Callable[[], dict[str, Any]],
        make_home: Callable[[], Home] = InThisThread,
        note_open: Callable[[bool], None] | None = None,
    ) -> None:
        self._ask, self._known, self._make_home, self._tell_open = ask, known, make_home, note_open
        self._opened: dict[str, OpenedHere] = {}  # as their setups have ended
        self._setups: dict[str, threading.Event] = {}  # that go on
        self._used: dict[Call, dict[str, None]] = {}  # by the tasks that run
        self._lock = threading.Lock()

    def prepare(self, call: Call) -> Outcome | None:
        """Put what is open here in the place of what stands for it; returns what a setup that failed makes of a call.

        Nothing cuts a setup: an exception that is sent to the call meanwhile has it not begin (rule 13).
        """
        self._used[call] = {}
        try:
            for name, value in tuple(call.inputs.items()):
                call.inputs[name] = self._in_place(value, call)
        except BaseException as error:  # noqa: BLE001 - the user's setup
            return Outcome(None, error)
        return None

    def note(self, call: Call, outcome: Outcome) -> None:
        """Note what has come of a task that has taken resources."""
        for key in self._used.pop(call):
            opened = self._opened.get(key)
            if opened is not None:
                opened.tasks.append((call.task.name, outcome.error))

    def _in_place(self, value: Any, call: Call) -> Any:
        if not resources_in(value):
            return value
        if type(value) is WorkerResource:
            opened = self._opened_for(value, call)
            self._used[call][value.key] = None
            return opened.manager if value.part == MANAGER else opened.resource
        if type(value) is dict:
            return {key: self._in_place(part, call) for key, part in value.items()}
        return type(value)([self._in_place(part, call) for part in value])

    # -- setup ------------------------------------------------------------------------------------------------

    def _opened_for(self, wanted: WorkerResource, call: Call) -> OpenedHere:
        while True:
            with self._lock:
                opened, others = self._opened.get(wanted.key), self._setups.get(wanted.key)
                if opened is not None:
                    return opened
                if others is None:
                    mine = self._setups[wanted.key] = threading.Event()
                    break
            while not others.wait(_LOOK_S):
                if call.stop_requested:
                    raise TaskCancelled
            # One that failed was the other task's: this one tries it again.
        try:
            return self._open(wanted, call)
        finally:
            with self._lock:
                del self._setups[wanted.key]
            self._let_live()
            mine.set()

    def _open(self, wanted: WorkerResource, call: Call) -> OpenedHere:
        kind, parts = self._ask(call, "wants", [wanted.key.encode()])
        if kind == "refused":
            raise error_of(unpacked(parts))
        self._note_open(True)
        home = self._make_home()
        try:
            return home.run(lambda: self._open_there(wanted, call, parts, home))
        finally:
            if wanted.key not in self._opened:
                home.end()

    def _open_there(self, wanted: WorkerResource, call: Call, parts: list[Any], home: Home) -> OpenedHere:
        setup = _call(f"{wanted.name}.setup", call.context, call)
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
                early += self._say(call, "early", wanted.key, lambda: manager.early_handle(), cls)
            opened = OpenedHere(wanted.name, manager, _set_up(setup, manager), home)
            with self._lock:
                self._opened[wanted.key] = opened
            asks = _has(manager, "handle")
            found = self._say(call, "opened", wanted.key, (lambda: manager.handle(opened.resource)), cls, asks)
            opened.is_found = bool(early or found) and callable(getattr(type(manager), "reclaim", None))
            return opened
        except BaseException as error:
            if wanted.key not in self._opened:
                left = _undone(setup, manager, early, error)
                self._ask(call, "unopened", packed((wanted.key, None, None if left is None else raised_of(left), None)))
            raise

    def _made(self, name: str, made_by: Any, inputs: dict[str, Any], call: Call) -> Any:
        init = _call(name, call.context, call)
        init.keep(functools.partial(maker_of(made_by), **inputs))
        return _value_of(perform(init))

    def _say(
        self, call: Call, kind: str, key: str, ask: Callable[[], Any], cls: type | None, has_handle: bool = True
    ) -> list[Any]:
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
        answer, _ = self._ask(call, kind, parts)
        if answer != "noted":  # it is too late for the call to begin
            call.stop_requested = True
        return [] if value is None or answer == "refused" else [value]

    # -- cleanup ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> OpenedHere | None:
        """Return what is open, by its key."""
        return self._opened.get(key)

    @property
    def keys(self) -> list[str]:
        """What is open, and no setup goes on with; the last first."""
        with self._lock:
            return [key for key in self._opened if key not in self._setups][::-1]

    @property
    def is_busy(self) -> bool:
        """Whether anything is open, or is about to be."""
        return bool(self._opened or self._setups)

    def drop(self, key: str) -> None:
        """Forget a resource that somebody else reclaims, or that is kept."""
        with self._lock:
            opened = self._opened.pop(key, None)
        if opened is not None:
            opened.home.end()
        self._let_live()

    def close(self, key: str, parts: list[Any], around: Call | None = None) -> list[Any]:
        """Clean a resource up; returns what came of it, ready to travel. With no outcome, that of its tasks here.

        Called where its home is. What it prints is said as what the call `around` says.
        """
        opened = self._opened.get(key)
        if opened is None:
            return packed((None, None))
        clean_up: Any = functools.partial(ResourceCleanupTask.run, None)  # type: ignore[arg-type]
        inputs = {"mgr": opened.manager, "resource": opened.resource}
        call = _call(f"{opened.name}.cleanup", self._known(), around, clean_up, inputs)
        call.shielded = True
        call.context  # noqa: B018 - made before `tell_outcome` adds to it
        tell_outcome(call, opened, lambda: _outcome_of(parts) if parts else _outcome_here(opened))  # type: ignore[arg-type]
        error = perform(call).error
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if error is None:
            self.drop(key)
        return packed((raised_of(error), raised_of(call.hook_error)))

    def _let_live(self) -> None:
        if not self.is_busy:
            self._note_open(False)

    def _note_open(self, is_open: bool) -> None:
        if self._tell_open is not None:
            self._tell_open(is_open)


def _call(
    name: str, known: dict[str, Any], around: Call | None, fn: Any = None, inputs: dict[str, Any] | None = None
) -> Call:
    """Return a call that says what it says as the one `around` it does, if that has a way of its own."""
    task: Any = SimpleNamespace(name=name, files=False, log_stdout=False)
    values = {**known, "task_name": name}
    call = Call(-1, task, fn, inputs or {}, lambda *_: dict(values))
    call.is_simple = True
    say = getattr(around, "say", None)
    if say is not None:
        vars(call)["say"] = say
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
        return perform(_call(setup.task.name, setup.context, setup, functools.partial(reclaim, *early))).error
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
