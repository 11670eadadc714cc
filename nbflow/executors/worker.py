"""The main program of a worker process: makes the calls that the kernel sends, one after the other.

It ends when its connection does, so no worker outlives a kernel that was killed. Calls are made in the main thread, as
libraries expect; a thread of its own reads what the kernel says meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from nbflow.executors.parcel import Shipped, receive, send, unpacked
from nbflow.executors.remote_call import call_of, made, telling

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call


class Worker:
    """Makes calls for a kernel at the other end of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._calls: SimpleQueue[list[Any]] = SimpleQueue()
        self._call: Call | None = None

    def work(self) -> None:
        """Make calls until the connection ends."""
        threading.Thread(target=self._read, name="nbflow-kernel", daemon=True).start()
        with telling(self._say):
            while True:
                self._make(self._calls.get())

    def _make(self, parts: list[Any]) -> None:
        try:
            shipped: Shipped = unpacked(parts)
            parts.clear()  # the pickle is not needed beside what came of it
            call = call_of(shipped)
        except BaseException as error:  # noqa: BLE001 - a module that is not there, a class that was changed
            self._send("unread", [f"{type(error).__name__}: {error}".encode()])
            return
        self._call = call
        returned = made(call, shipped)
        self._call = None
        call.inputs.clear()
        self._send("ended", returned)

    def _read(self) -> None:
        try:
            while True:
                kind, parts = receive(self._connection)
                call = self._call
                if kind == "call":
                    self._calls.put(parts)
                elif call is not None and kind == "stop":
                    call.stop_requested = True
                elif call is not None and kind == "hit":
                    call.stop_requested = True
                    call.hit(unpacked(parts))
                    self._send("hit", [b"busy" if call.inner is not None else b""])
        finally:
            os._exit(0)  # the kernel has ended this worker, or is no more

    def _say(self, stream: str, text: str) -> None:
        self._send("said", [stream.encode(), text.encode("utf-8", "replace")])

    def _send(self, kind: str, parts: list[Any]) -> None:
        with self._sending:
            send(self._connection, kind, parts)


def main() -> None:
    """Serve the kernel whose connection is the file descriptor named on the command line."""
    connection = Connection(int(sys.argv[1]))
    _, parts = receive(connection)
    folder, initializer, arguments = unpacked(parts)
    os.chdir(folder)
    if initializer is not None:
        initializer(*arguments)
    Worker(connection).work()
