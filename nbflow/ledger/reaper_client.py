"""The kernel's side of the reaper: starts it, tells it of resources, and waits for its answers, never for long."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.ledger.paths import make_private
from nbflow.ledger.process_identity import UNKNOWN, is_alive, start_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.ledger.process_identity import Kernel

    Tell = Callable[[str, str], None]

ANSWER_WAIT_S = 5.0
_REPLACEMENTS = 2  # of a reaper that ends instead of answering
_LONGEST_LOG = 1_000_000  # bytes; then it is begun again
_BEST_EFFORT = "the run goes on, but what it holds may be left if this kernel dies"


class ReaperClient:
    """Talks to the reaper of this process. Safe to use from several threads; only `wait_for` waits.

    Args:
        kernel: This process, which the reaper watches.
        token: The name of the lock that shows that it is alive, beside which the reaper holds its own.
        answer_wait_s: How long a registration waits for its answer.
        command: What is run as the reaper.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        token: str | None = None,
        answer_wait_s: float = ANSWER_WAIT_S,
        command: tuple[str, ...] | None = None,
    ) -> None:
        self.process: tuple[int, float] | None = None
        self._kernel = kernel
        self._token = token
        self._answer_wait_s = answer_wait_s
        # Isolated and without site packages: nothing of the user's is run, and it starts in a few milliseconds.
        self._command = command or (sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py")))
        self._log: Path | None = None
        self._inlet = self._outlet = -1
        self._unsent = bytearray()
        self._heard = b""
        self._sent = self._answered = 0
        self._is_deaf = False
        self._jobs: dict[str, dict[str, Any]] = {}
        self._env: dict[str, str] = {}
        self._sent_env: dict[str, str] | None = None
        self._sent_codes: dict[str, int] = {}
        self._lock = threading.RLock()

    # -- what the trackers say -------------------------------------------------------------------------------------

    def start_soon(self, ledger: Path) -> None:
        """Start the reaper if it was never started, without waiting until it is there.

        Args:
            ledger: The ledger's file; what the reaper does is logged beside it.
        """
        with self._lock:
            self._log = ledger.with_name("reaper.log")
            if self.process is None:
                with suppress(OSError):  # the registration tries again, and tells
                    self._start()

    def register(self, job: dict[str, Any], tell: Tell) -> int | None:
        """Tell the reaper of a resource; returns the number to `wait_for`, or None if there is no reaper.

        A reaper that was killed is replaced, and the new one is told of everything that is open.

        Args:
            job: All that is needed to reclaim it; its `code` as JSON.
            tell: Called with the kind and the text of a problem.
        """
        with self._lock:
            self._log = Path(job["ledger"]).with_name("reaper.log")
            if (environment := _environment()) != self._env:  # as one object, while it is the same
                self._env = environment
            job = {**job, "env": self._env}
            self._jobs[job["key"]] = job
            try:
                self._hear(0)
                if self.process is not None:
                    return self._send_job(job)
            except _GoneError:
                pass
            return self._restart(tell)

    def wait_for(self, number: int, tell: Tell) -> bool:
        """Wait until the reaper has answered a registration; tells whether it has."""
        until = time.monotonic() + (0.0 if self._is_deaf else self._answer_wait_s)
        replacements = _REPLACEMENTS
        with self._lock:
            while self._answered < number:
                try:
                    heard = self._hear(max(0.0, until - time.monotonic()))
                except _GoneError:
                    replacements -= 1
                    if replacements < 0 or self._restart(tell) is None:
                        tell("reaper gone", f"the reaper ends as soon as it is started; {_BEST_EFFORT}")
                        return False
                    continue
                if not heard and time.monotonic() >= until:
                    self._is_deaf = True
                    tell(
                        "reaper deaf",
                        f"the reaper (process {self.process and self.process[0]}) has not answered for "
                        f"{self._answer_wait_s:g} s; {_BEST_EFFORT}",
                    )
                    return False
            return True

    def release(self, key: str) -> None:
        """Tell the reaper that a resource is no longer its concern."""
        with self._lock:
            if self._jobs.pop(key, None) is not None and self.process is not None:
                with suppress(_GoneError):  # the next registration starts another one, and says so
                    self._send({"op": "release", "key": key})

    def reclaim_now(self, key: str, tell: Tell) -> None:
        """Have a registered resource reclaimed although this process lives; returns at once."""
        with self._lock:
            if key not in self._jobs:
                return
            try:
                if self.process is not None:
                    self._send({"op": "now", "key": key})
                    return
            except _GoneError:
                pass
            if self._restart(tell) is not None:
                with suppress(_GoneError):
                    self._send({"op": "now", "key": key})

    def is_alive(self) -> bool:
        """Whether the reaper runs."""
        process = self.process
        return process is not None and is_alive(*process)

    def let_go(self) -> None:
        """Forget the reaper, in the child of a fork: it is the parent's."""
        self._close_pipes()
        self.process = None

    # -- the process ----------------------------------------------------------------------------------------------

    def _restart(self, tell: Tell) -> int | None:
        """Start a reaper, tell it of everything that is open, and return the number of its last answer."""
        was, self.process = self.process, None
        if was is not None:
            self._end(was[0])
            tell(
                "reaper killed",
                f"the reaper (process {was[0]}) has ended; another one was started and told of "
                f"{len(self._jobs)} open resources",
            )
        try:
            self._start()
            for job in self._jobs.values():
                self._send_job(job)
        except (OSError, _GoneError) as error:
            tell("reaper missing", f"the reaper can not be started: {error}; {_BEST_EFFORT}")
            return None
        return self._sent

    def _start(self) -> None:
        import subprocess

        ours, theirs = os.pipe(), os.pipe()
        log = self._open_log()
        try:
            started = subprocess.Popen(
                self._command,
                stdin=ours[0],
                stdout=theirs[1],
                stderr=subprocess.DEVNULL if log is None else log,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # the signals for the kernel's group are not for the reaper
            )
        except BaseException:
            os.close(ours[1])
            os.close(theirs[0])
            raise
        finally:
            for number in (ours[0], theirs[1], *(() if log is None else (log,))):
                os.close(number)
        self.process = (started.pid, start_of(started.pid) or UNKNOWN)
        started.returncode = 0  # it outlives us on purpose; else `Popen` would complain of that
        self._inlet, self._outlet = ours[1], theirs[0]
        os.set_blocking(self._inlet, False)
        self._unsent.clear()
        self._heard = b""
        self._is_deaf = False
        self._sent_env = None
        self._sent_codes.clear()
        kernel = {"pid": self._kernel.pid, "started": self._kernel.started, "token": self._token}
        with suppress(_GoneError):  # the registration that comes next finds out
            self._send({"op": "kernel", **kernel, "sys_path": [one for one in sys.path if isinstance(one, str)]})

    def _open_log(self) -> int | None:
        if self._log is None:
            return None
        with suppress(OSError):
            make_private(self._log)
            if self._log.stat().st_size > _LONGEST_LOG:
                self._log.write_bytes(b"")
            return os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return None

    def _end(self, pid: int) -> None:
        """Close what led to a reaper that is gone, and take its end from the system."""
        self._close_pipes()
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)

    def _close_pipes(self) -> None:
        for number in (self._inlet, self._outlet):
            with suppress(OSError):
                os.close(number)
        self._inlet = self._outlet = -1

    # -- the pipes ------------------------------------------------------------------------------------------------

    def _send_job(self, job: dict[str, Any]) -> int:
        """Send a registration; what is large and the same for many is sent before the first of them."""
        if job["env"] is not self._sent_env:
            self._send({"op": "env", "env": job["env"]})
            self._sent_env = job["env"]
        number = self._sent_codes.get(job["code"])
        if number is None:
            number = self._sent_codes[job["code"]] = len(self._sent_codes)
            self._send({"op": "code", "id": number, "code": json.loads(job["code"])})
        rest = {name: value for name, value in job.items() if name != "env"}
        return self._send({"op": "register", **rest, "code": number}, wants_answer=True)

    def _send(self, message: dict[str, Any], *, wants_answer: bool = False) -> int:
        if wants_answer:
            self._sent += 1
            message["n"] = self._sent
        self._unsent += json.dumps(message).encode("ascii") + b"\n"
        self._push(0.0 if self._is_deaf else self._answer_wait_s)
        return self._sent

    def _push(self, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while self._unsent:
            try:
                del self._unsent[: os.write(self._inlet, self._unsent)]
            except BlockingIOError:  # the pipe is full; what is left goes first the next time
                left_s = until - time.monotonic()
                if left_s <= 0 or not _wait(self._inlet, select.POLLOUT, left_s):
                    return
            except OSError as error:
                raise _GoneError from error

    def _hear(self, timeout_s: float) -> bool:
        """Take the answers that have come, waiting for one this long; tells whether there was one.

        Raises:
            _GoneError: If the reaper has ended.
        """
        if self.process is None:
            return False
        self._push(0.0)
        if not _wait(self._outlet, select.POLLIN, timeout_s):
            return False
        try:
            data = os.read(self._outlet, 1 << 16)
        except OSError as error:
            raise _GoneError from error
        if not data:
            raise _GoneError
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._answered = max(self._answered, int(line))
            self._is_deaf = False
        return True


class _GoneError(Exception):
    """The reaper has ended."""


def _wait(number: int, event: int, timeout_s: float) -> bool:
    poll = select.poll()  # `select` itself knows no file beyond the 1024th
    poll.register(number, event)
    return bool(poll.poll(timeout_s * 1000))


def _environment() -> dict[str, str]:
    """Return this process's environment without the marks by which `nbflow.resources` finds what to stop."""
    return {name: value for name, value in os.environ.items() if name != "NBFLOW_RESOURCE"}
