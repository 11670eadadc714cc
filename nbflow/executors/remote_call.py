"""What another process does for the kernel: one attempt of a task, its output told as it comes."""

from __future__ import annotations

import functools
import logging
import pickle
import sys
import time
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import identity, type_name
from nbflow.engine import file_watch, uncounted_handlers
from nbflow.engine.attempt import Call, Outcome, perform_on_worker
from nbflow.engine.error_text import error_text
from nbflow.engine.helper_threads import give_start_back, take_start
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.random_state import restore, state_of
from nbflow.executors.client_there import clients_there
from nbflow.executors.errors import CannotReturnError, RemoteError
from nbflow.executors.handed_on import HandedOn
from nbflow.executors.parcel import Raised, Shipped, packed, shipped_from, unpacked
from nbflow.executors.remote_display import displays_told
from nbflow.executors.shipment import LEVELS, error_of
from nbflow.executors.told_records import DIVERTED, ToldRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.executors.worker_resources import WorkerResources

    Say = Callable[[str, str], None]

_DEEPEST = 10  # errors that led to one another
_LONGEST = 1_000  # characters that a stream keeps back until its line is whole


def call_of(shipped: Shipped, base: dict[str, Any]) -> Call:
    """Return the call that a process makes for the kernel; `base` is what all tasks of the run know."""
    function = shipped.function
    if type(function) is tuple:
        function = getattr(import_module(function[0]), function[1]).run
    task: Any = SimpleNamespace(name=shipped.task, files=shipped.files, log_stdout=False, run=function)
    call = Call(-1, task, function, shipped.inputs, lambda _node, _task: base | shipped.context)
    call.is_simple = True
    return call


@functools.lru_cache(maxsize=4)
def known_in(base: bytes) -> dict[str, Any]:
    """Return what all tasks of a run know, and have the loggers say what they say in the kernel."""
    found: dict[str, Any] = unpacked([base])
    for name, level in found.pop(LEVELS).items():
        logging.getLogger(name or None).setLevel(level)
    return found


def made(
    call: Call, shipped: Shipped, flush_figures: Callable[[], None], resources: WorkerResources | None = None
) -> list[Any]:
    """Make a call in this thread and return what came of it, ready to travel; never raises.

    Where there are `resources` of this process, those that the call takes are opened first.
    """
    return returned(call, *attempted(call, shipped, flush_figures, resources))


def attempted(
    call: Call, shipped: Shipped, flush_figures: Callable[[], None], resources: WorkerResources | None = None
) -> tuple[Outcome, tuple[Any, ...]]:
    """Make a call in this thread; returns what came of it, and what else is to be told: the rest of a `Returned`."""
    began_at = time.time()
    if shipped.draws:
        restore(shipped.draws)
    take_start()  # each time: a flow that an earlier task ran here has given it back at its end
    outcome = None if resources is None else resources.prepare(call)
    if outcome is None:
        outcome = _performed(call)
    if resources is not None:
        resources.note(call, outcome)
    try:
        flush_figures()
    except Exception as reason:  # noqa: BLE001 - of what draws: the task has ended all the same
        sys.stderr.write(f"the figures of task {call.task.name!r} could not be shown: {reason!r}\n")
    if call.helpers:
        wait(call.helpers)  # its threads may still use what is cleaned up next (rule 3)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return outcome, (call.files, state_of(shipped.draws) if shipped.draws else {}, began_at, time.time())


def _performed(call: Call) -> Outcome:
    outcome: Outcome | None = None
    try:
        with clients_there(call):
            outcome = perform_on_worker(call)
    except Exception as error:  # noqa: BLE001 - a scheduler that cannot be reached from here, or any more
        return outcome or Outcome(None, error)
    return outcome


def returned(call: Call, outcome: Outcome, rest: tuple[Any, ...]) -> list[Any]:
    """Return what came of a call, ready to travel: a `Returned`, as a plain tuple (see `shipment.take_in`).

    `Call.returned` is what that is: a value that cannot travel is none.
    """
    value, error = call.returned = outcome
    if error is None:
        if identity(type(value)) in ATOMS:
            return [pickle.dumps((value, None, *rest), 5)]
        try:
            return packed((value, None, *rest))
        except Exception as reason:  # noqa: BLE001 - whatever a user's object raises when it is pickled
            error = CannotReturnError(call.task.name, type_name(value), str(reason))
            call.returned = Outcome(None, error)
    return packed((None, raised_of(error), *rest))


def served(parts: list[bytes]) -> list[tuple[list[tuple[str, str]], list[bytes]] | None] | str:
    """Make calls in a process of somebody else's pool; returns what each said, and what came of it.

    One is not made (None) if it expects the value of an earlier one, which it cannot have. Of calls that cannot be read
    none is made: it returns why.
    """
    said: list[tuple[str, str]] = []
    answers: list[tuple[list[tuple[str, str]], list[bytes]] | None] = []

    def say(stream: str, text: str) -> None:
        said.append((stream, text))

    with telling(say), displays_told(say) as flush_figures:
        try:
            base, calls = unpacked((parts[0], *map(bytearray, parts[1:])))  # arrays that may be written to
            all_shipped = [shipped_from(one) for one in calls]
            readable = [call_of(shipped, known_in(base)) for shipped in all_shipped]
        except Exception as error:  # noqa: BLE001 - a module that is not there, a class that was changed
            return error_text(error)
        handed_on = HandedOn(all_shipped)
        for number, (call, shipped) in enumerate(zip(readable, all_shipped, strict=True)):
            if number in handed_on.passed_over:
                answers.append(None)
                continue
            handed_on.give(shipped.expects, call.inputs)
            returned = made(call, shipped, flush_figures)
            assert call.returned is not None
            handed_on.ended(number, call.returned, returned)
            answers.append((said.copy(), [bytes(part) for part in returned]))
            said.clear()
    return answers


def raised_of(error: BaseException | None, depth: int = _DEEPEST) -> Raised | None:
    """Return an error as it can travel: as it is, as what it is made of, or as its name and text."""
    if error is None or depth == 0:
        return None
    trace = _trace_of(error)
    cause, context = raised_of(error.__cause__, depth - 1), raised_of(error.__context__, depth - 1)
    rest = cause, context, error.__suppress_context__
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - users' classes
        text = error_text(error)
    known = RemoteError(type_name(error), text)
    forms: list[tuple[Any, tuple[Any, ...] | None, dict[str, Any]]]
    forms = [(error, None, {}), (type(error), error.args, dict(vars(error))), (known, None, {})]
    for one, args, members in forms:
        with suppress(Exception):
            raised = Raised(one, args, members, trace, *rest)
            error_of(unpacked(packed(raised)))  # many an exception can be pickled, and not be made again
            return raised
    return Raised(known, None, {}, None, None, None, False)  # never nothing: that would be a success


def _trace_of(error: BaseException) -> Any:
    from tblib import Traceback

    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("nbflow."):
        trace = trace.tb_next  # the frames of ours, which the kernel has too
    return None if trace is None else Traceback(trace).to_dict()


@contextmanager
def telling(say: Say, is_busy: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Tell what tasks print and log, for the time of a `with` block: `say(stream, text)`, as long as one `is_busy`."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream("stdout", say, is_busy, streams[0]), _Stream("stderr", say, is_busy, streams[1])
    told, ours = ToldRecords(say), logging.getLogger("nbflow")
    uncounted_handlers.add(told)
    if not ours.level:
        ours.setLevel(logging.INFO)
    file_watch.watch()
    take_start()
    try:
        yield
    finally:
        give_start_back()
        uncounted_handlers.remove(told)
        sys.stdout, sys.stderr = streams


class _Stream:
    """Stands in for a standard stream; what no task says goes to the stream itself."""

    def __init__(self, name: str, say: Say, is_busy: Callable[[], bool], stream: Any) -> None:
        self._name, self._say, self._is_busy, self._stream = name, say, is_busy, stream
        self._rest = ""

    def write(self, text: str) -> int:
        if self._is_busy():  # also for a thread that the task has started: there is one task at a time
            if DIVERTED.takes(text):
                return len(text)
            self._rest += text
            if "\n" in text or "\r" in text or len(self._rest) > _LONGEST:
                self.flush()
        elif self._stream is not None:
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        text, self._rest = self._rest, ""
        if text:
            self._say(self._name, text)
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
