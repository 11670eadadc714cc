"""A worker process, as the thread of the kernel sees it that hands it calls and waits for them."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from nbflow.executors.errors import WorkerDiedError
from nbflow.executors.parcel import packed, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable

_END_S = 2.0
# By the path of here, and not by a variable that the programs which a task starts would find as well.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from nbflow.executors.worker import main; main()"


class WorkerLost(Exception):
    """A worker process is no more, or makes its call no longer.

    Attributes:
        error: What the call comes to; None: how the process ended says it.
    """

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error


class WorkerProcess:
    """One process, of one thread of a run: it makes one call after the other.

    Args:
        initializer: Is called in it first, with `initargs`.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
        start = packed((initializer, initargs))  # first: one that cannot travel starts no process
        ours, theirs = socket.socketpair()
        with theirs:
            # By a thread that outlives what it opens for itself: until that is closed it dies with this thread.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(path=sys.path), str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the run, which stops its workers
            )
        self._connection = Connection(ours.detach())
        self._poll = select.poll()  # `Connection.poll` makes one each time
        self._poll.register(self._connection.fileno(), select.POLLIN)
        self._place = os.getcwd(), dict(os.environ)  # as it has it from here, or was told
        self.knows_base = False
        self.made = 0  # calls that it was given
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # killed already: its first task says so
            send(self._connection, "start", start)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"worker process {self.pid}"

    def send_calls(self, parts: list[Any]) -> None:
        """Have it make calls, one after the other; WorkerLost if it is no more."""
        (_, before), (folder, now) = self._place, (os.getcwd(), dict(os.environ))
        if (folder, now) != self._place:  # a setup may have gone elsewhere, or set a variable
            gone = [name for name in before if name not in now]
            new = {name: value for name, value in now.items() if before.get(name) != value}
            self._place = folder, now
            self._send("place", packed((folder, gone, new)))
        self.knows_base = True
        self._send("calls", parts)

    def stop(self, number: int) -> None:
        """Have a call find that it is to stop; `number` is its place among those that were sent."""
        self._mention("stop", packed((number, None)))

    def hit(self, number: int, error: type[BaseException]) -> None:
        """Have `error` raised in a call."""
        self._mention("stop", packed((number, error)))

    def recall(self) -> None:
        """Have it begin none of the calls that it has."""
        self._mention("recall", [])

    def receive(self, timeout_s: float) -> tuple[str, list[Any]] | None:
        """Return what it says next, or None if it says nothing in so many seconds; WorkerLost if it is no more."""
        try:
            if self._poll.poll(timeout_s * 1000):
                return receive(self._connection)
        except (EOFError, OSError) as error:
            raise WorkerLost from error
        if self._process.poll() is not None and not self._poll.poll(0):
            raise WorkerLost  # what it has started may keep its connection open
        return None

    def _mention(self, kind: str, parts: list[Any]) -> None:
        """Say what is of no use to a process that is no more: `receive` tells of that, after what it has said."""
        with contextlib.suppress(WorkerLost):
            self._send(kind, parts)

    def tell(self, kind: str, parts: list[Any]) -> None:
        """Say something of its resources; WorkerLost if it is no more."""
        self._send(kind, parts)

    def _send(self, kind: str, parts: list[Any]) -> None:
        try:
            send(self._connection, kind, parts)
        except OSError as error:
            raise WorkerLost from error

    def death(self, task_name: str) -> WorkerDiedError:
        """Return the error of the task that it was busy with when it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # its connection is gone before it is
            self._process.wait(_END_S)
        self.kill()
        code = self._process.returncode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
        return WorkerDiedError(task_name, self.name, how)

    @property
    def memory(self) -> int:
        """The bytes of memory that it takes; 0 if it is no more."""
        import psutil  # not at the top: few runs ask

        try:
            taken: int = psutil.Process(self.pid).memory_info().rss
        except psutil.Error:
            return 0
        return taken

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

    def kill(self) -> bool:
        """End the process at once, and wait until it is no more; True, since it is ours to end."""
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
        return True
