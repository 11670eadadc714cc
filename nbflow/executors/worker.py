"""The main program of a worker process: makes the calls that the kernel sends, one after the other.

It ends when its connection does, so no worker outlives a kernel that was killed. Calls are made in the main thread, as
libraries expect; a thread of its own reads what the kernel says meanwhile.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from nbflow.engine.error_text import error_text
from nbflow.executors.handed_on import HandedOn
from nbflow.executors.parcel import Shipped, receive, send, shipped_from, unpacked
from nbflow.executors.parent_death import die_with_parent
from nbflow.executors.remote_call import call_of, known_in, made, telling
from nbflow.executors.remote_display import displays_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call
    from nbflow.executors.worker_resources import WorkerResources


class Worker:
    """Makes calls for a kernel at the other end of a connection."""

    def __init__(self, connection: Connection, cannot_begin: str) -> None:
        self._connection, self._cannot_begin = connection, cannot_begin
        self._sending = threading.Lock()
        self._bundles: SimpleQueue[list[Any] | Callable[[], None]] = SimpleQueue()  # or what else is to be done
        self._answers: SimpleQueue[tuple[str, list[Any]]] = SimpleQueue()
        self._resources: WorkerResources | None = None  # that this process opens for itself
        self._is_closing = False
        self._call: Call | None = None
        self._number = 0  # of the call among those that came with it
        self._stops: dict[int, type[BaseException] | None] = {}  # of calls that have not begun
        self._calls: list[tuple[int, Shipped]] = []  # that have not begun, with their numbers, the next one last
        self._handed_on = HandedOn(())
        self._taking = threading.Lock()
        self._is_recalled = False
        self._base: dict[str, Any] = {}

    def work(self) -> None:
        """Make calls until the connection ends."""
        os.register_at_fork(after_in_child=self._let_go)
        threading.Thread(target=self._read, name="nbflow-kernel", daemon=True).start()
        with telling(self._say, self._is_busy), displays_told(self._say) as self._flush_figures:
            while True:
                self._make_all(self._bundles.get())

    def _is_busy(self) -> bool:
        return self._call is not None or self._is_closing

    def _make_all(self, parts: list[Any] | Callable[[], None]) -> None:
        if not isinstance(parts, list):
            parts()
            return
        try:
            if self._cannot_begin:
                raise RuntimeError(self._cannot_begin)
            base, calls = unpacked(parts)
            parts.clear()  # the pickle is not needed beside what came of it
            self._base = known_in(base) if base else self._base
            shipped = [shipped_from(one) for one in calls]
            self._handed_on = HandedOn(shipped)
            with self._taking:
                self._calls = list(enumerate(shipped))[::-1]
                back = self._take_back() if self._is_recalled else 0
            del calls, shipped
            self._tell_back(back)
            while True:
                with self._taking:
                    if not self._calls:
                        break
                    number, one = self._calls.pop()
                self._handed_on.give(one.expects, one.inputs)
                self._make(number, call_of(one, self._base), one)
        except BaseException as error:  # noqa: BLE001 - a module that is not there, a class that was changed
            with self._taking:
                self._calls.clear()
            self._send("unread", [error_text(error).encode()])

    def _take_back(self) -> int:
        count = len(self._calls)
        self._calls.clear()
        return count

    def _tell_back(self, count: int) -> None:
        """Tell the kernel how many of the last calls go back to it."""
        if count:
            self._send("back", [str(count).encode()])

    def _make(self, number: int, call: Call, shipped: Shipped) -> None:
        self._number, self._call = number, call
        if number in self._stops:
            self._stop(call, self._stops.pop(number))
        returned = made(call, shipped, self._flush_figures, self._resources)
        self._call = None
        call.inputs.clear()
        assert call.returned is not None
        is_handed_on = self._handed_on.ended(number, call.returned, returned)
        if not is_handed_on:
            with self._taking:  # first: the kernel is told of those that go back when they are not here any more
                self._calls = [one for one in self._calls if one[0] not in self._handed_on.passed_over]
        self._send("ended" if is_handed_on else "apart", returned)

    def _open_scopes(self, parts: list[Any]) -> None:
        from nbflow.executors.worker_resources import WorkerResources  # not at the top: few runs need it

        def note_open(is_open: bool) -> None:
            die_with_parent(kernel, is_wanted=is_open)

        kernel = int(bytes(parts[0]))
        self._resources = WorkerResources(self._ask, lambda: self._base, note_open=note_open)

    def _ask(self, _call: Call, kind: str, parts: list[Any]) -> tuple[str, list[Any]]:
        self._send(kind, parts)
        return self._answers.get()

    def _close(self, parts: list[Any]) -> None:
        assert self._resources is not None
        self._number, self._is_closing = -1, True  # what is sent late to a call is not for this
        answer = self._resources.close(bytes(parts[0]).decode(), parts[1:])
        self._is_closing = False
        self._send("closed", answer)

    def _stop(self, call: Call, error: type[BaseException] | None) -> None:
        call.stop_requested = True
        if error is not None:
            with self._sending:  # an exception in the middle of a message would leave half of it
                call.hit(error)
            self._send("hit", [b"busy" if call.inner is not None else b""])

    def _read(self) -> None:
        try:
            while True:
                self._heed(*receive(self._connection))
        finally:
            os._exit(0)  # the kernel has ended this worker, or is no more

    def _heed(self, kind: str, parts: list[Any]) -> None:
        """Do what the kernel says."""
        if kind == "calls":
            self._is_recalled = False
            self._stops.clear()
            self._bundles.put(parts)
        elif kind == "scopes":
            self._bundles.put(functools.partial(self._open_scopes, parts))
        elif kind == "close":
            self._bundles.put(functools.partial(self._close, parts))
        elif kind in ("open", "refused", "noted", "late"):
            self._answers.put((kind, parts))
        elif kind == "place":
            _go_to(*unpacked(parts))
        elif kind == "recall":
            with self._taking:
                self._is_recalled = True  # if they have not been read yet, who reads them looks
                back = self._take_back()
            self._tell_back(back)
        elif kind == "stop":
            number, error = unpacked(parts)
            self._stops[number] = error  # first: it may begin in this moment
            call = self._call
            if call is not None and self._number == number:
                self._stop(call, error)

    def _say(self, stream: str, text: str) -> None:
        self._send("said", [f"{stream}\n{text}".encode("utf-8", "replace")])

    def _send(self, kind: str, parts: list[Any]) -> None:
        with self._sending:
            send(self._connection, kind, parts)

    def _let_go(self) -> None:
        """In a child that a task has forked: leave the connection to its parent, and write to the streams there are."""
        self._call, self._sending = None, threading.Lock()
        os.close(self._connection.fileno())
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _go_to(folder: str, gone: list[str], new: dict[str, str]) -> None:
    """Be where the kernel is, with its variables."""
    os.chdir(folder)
    for name in gone:
        os.environ.pop(name, None)
    os.environ.update(new)


def main() -> None:
    """Serve the kernel whose connection is the file descriptor named on the command line."""
    connection = Connection(int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)  # no program that a task starts keeps it open
    _, parts = receive(connection)
    initializer, arguments = unpacked(parts)
    cannot_begin = ""
    try:
        if initializer is not None:
            initializer(*arguments)
    except Exception as error:  # noqa: BLE001 - the user's; told when a task comes
        cannot_begin = f"the initializer raised {type(error).__name__}: {error}"
    Worker(connection, cannot_begin).work()
