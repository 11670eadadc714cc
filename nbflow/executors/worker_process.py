"""A worker process, as the thread of the kernel sees it that hands it calls and waits for them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from nbflow.executors.errors import UnreadableCallError, WorkerDiedError
from nbflow.executors.parcel import packed, receive, send
from nbflow.executors.shipment import show, take_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call

_LOOK_S = 0.05  # until the thread that waits looks whether its call is to stop
KILL_AFTER_S = 1.0  # until a call that does not stop is ended with its process
_END_S = 2.0
# By the path of here, and not by a variable that the programs which a task starts would find as well.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from nbflow.executors.worker import main; main()"


class WorkerProcess:
    """One process, of one thread of a run: it makes one call at a time.

    Args:
        initializer: Is called in it first, with `initargs`.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(path=sys.path), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the run, which stops its workers
            )
        self._connection = Connection(ours.detach())
        self._hit: type[BaseException] | None = None
        self._place = os.getcwd(), dict(os.environ)  # as it has it from here, or was told
        self.knows_base = False
        send(self._connection, "start", packed((initializer, initargs)))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"worker process {self.pid}"

    def begin(self) -> None:
        """Forget whom its last call was hit by; before the next one can be."""
        self._hit = None

    def hit(self, error: type[BaseException]) -> None:
        """Have `error` raised in the call that it makes; from any thread."""
        self._hit = error

    def perform(self, call: Call, parts: list[Any]) -> Any:
        """Have a call made and return what it returns; what it says meanwhile is said here.

        Raises:
            WorkerDiedError: If the process ends before it.
            BaseException: What the call raises.
        """
        try:
            self._tell_place()
            self.knows_base = True
            send(self._connection, "call", parts)
            parts.clear()
            kind, reply = self._wait_for(call)
        except (EOFError, OSError) as error:
            raise self._died(call) from error
        except BaseException:  # sent to this thread: nobody knows what the process is busy with
            self.kill()
            raise
        if kind == "unread":
            self.knows_base = False  # it may not have come so far
            raise UnreadableCallError(call.task.name, self.name, bytes(reply[0]).decode())
        return take_in(call, reply)

    def _tell_place(self) -> None:
        """Have it be where the kernel is by now: a setup may have gone elsewhere, or set a variable."""
        (_, before), (folder, now) = self._place, (os.getcwd(), dict(os.environ))
        if (folder, now) != self._place:
            gone = [name for name in before if name not in now]
            new = {name: value for name, value in now.items() if before.get(name) != value}
            self._place = folder, now
            send(self._connection, "place", packed((folder, gone, new)))

    def _wait_for(self, call: Call) -> tuple[str, list[Any]]:
        told_to_stop, hit_with, kill_at = False, None, None
        while True:
            if call.stop_requested and not told_to_stop and not call.shielded:
                told_to_stop = True
                send(self._connection, "stop", [])
            if self._hit is not None and hit_with is None:
                hit_with, kill_at = self._hit, time.monotonic() + KILL_AFTER_S
                send(self._connection, "hit", packed(hit_with))
            if hit_with is not None and kill_at is not None and time.monotonic() > kill_at:
                self.kill()
                raise hit_with
            if not self._connection.poll(_LOOK_S):
                if self._process.poll() is not None and not self._connection.poll(0):
                    raise EOFError  # what it has started may keep its connection open
                continue
            kind, parts = receive(self._connection)
            if kind == "said":
                stream, _, text = bytes(parts[0]).decode().partition("\n")
                show(stream, text)
            elif kind == "hit":
                if len(parts[0]):  # a run of its own cleans up first (rule 14), and the cleanup around waits for it
                    kill_at = None
            else:
                return kind, parts

    def _died(self, call: Call) -> BaseException:
        with contextlib.suppress(subprocess.TimeoutExpired):  # its connection is gone before it is
            self._process.wait(_END_S)
        self.kill()
        code = self._process.returncode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
        return WorkerDiedError(call.task.name, self.name, how)

    @property
    def is_alive(self) -> bool:
        """Whether it can make another call."""
        return self._process.poll() is None and not self._connection.closed

    def close(self) -> None:
        """End the process, which is busy with nothing."""
        self._connection.close()  # it ends when it reads this
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, and wait until it is no more."""
        self._process.poll()
        if self._process.returncode is None:
            with contextlib.suppress(OSError):  # with what it has started
                os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._connection.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # in the kernel of the system, from where nothing takes it
            logging.getLogger("nbflow").warning("%s does not end", self.name)
