"""The reaper: a process of its own that outlives the kernel and reclaims what it has left.

It is run by the path of this file, so that it need not load nbflow, in a session of its own. It reads one message a
line from a pipe that the kernel alone writes to, and answers those that have a number. It acts when the kernel is gone:
when the pipe has ended, or the pid means another process or a zombie, as a child of the kernel may hold the pipe open.
An ended pipe of a kernel that is still there says nothing: what is alive is never touched.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections import deque
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.ledger.reclaim_pool import ReclaimPool

LOOK_S = 0.5
_LOOK_AFTER_END_S = 0.02  # the kernel's files close before its pid goes
_LOCK_WAIT_S = 10.0
_SHORT_WAIT_S = 0.05
_REMEMBERED = 32
Mark = tuple[str, str, float | None, str]  # what `Store.mark` takes


def _without_package() -> None:
    """Let the modules beside this one be imported without what their packages load."""
    here = Path(__file__).parent
    for name, folder in (("nbflow", here.parent), ("nbflow.ledger", here)):
        module = ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module


class Reaper:
    """Watches one kernel. Its one thread reads what the kernel says and writes to the ledger; a pool reclaims.

    Args:
        inlet: The file descriptor of the pipe from the kernel.
        outlet: The one of the pipe back.
    """

    def __init__(self, inlet: int, outlet: int) -> None:
        self._inlet = inlet
        self._outlet = outlet
        self._buffer = b""
        self._has_ended = False
        self._pid = os.getppid()
        self._started = 0.0
        self._token: str | None = None
        self._jobs: dict[str, dict[str, Any]] = {}
        self._released: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._codes: dict[int, dict[str, Any]] = {}
        self._env: dict[str, str] | None = None
        self._done: SimpleQueue[tuple[dict[str, Any], str, str | None]] = SimpleQueue()
        self._marks: dict[str, list[Mark]] = {}  # by ledger: what is not written yet
        self._bell = os.pipe()  # rung by the pool
        self._pool: ReclaimPool | None = None

    def run(self) -> None:
        """Watch until the kernel is gone, then reclaim what it has left, last in first out."""
        for number in (self._inlet, *self._bell):
            os.set_blocking(number, False)
        self._watch()
        self._reclaim(*reversed(self._jobs), why="after its kernel had ended")
        while self._pool is not None and not self._pool.wait(_LOOK_AFTER_END_S):
            self._write_marks(_SHORT_WAIT_S)
        self._mark_released()
        self._write_marks(_LOCK_WAIT_S)  # once, however many there are
        for ledger, marks in self._marks.items():
            log(f"not written to {ledger}: {marks}")

    def _watch(self) -> None:
        while True:
            try:
                if self._is_over():
                    self._read()  # what it said last
                    return
                if self._has_ended:
                    time.sleep(_LOOK_AFTER_END_S)
                else:
                    select.select([self._inlet, self._bell[0]], [], [], LOOK_S)
                    self._read()
                self._write_marks(_SHORT_WAIT_S)
            except Exception as error:  # noqa: BLE001 - it has to go on, whatever it lacks just now
                log(f"cannot watch: {error!r}")
                time.sleep(LOOK_S)

    def _is_over(self) -> bool:
        from nbflow.ledger.process_identity import is_alive

        if self._has_ended and not self._jobs:
            return True
        return not is_alive(self._pid, self._started)

    # -- what the kernel says -------------------------------------------------------------------------------------

    def _read(self) -> None:
        while not self._has_ended:
            try:
                data = os.read(self._inlet, 1 << 16)
            except BlockingIOError:
                return
            self._has_ended = not data
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                try:
                    self._take(json.loads(line))
                except Exception as error:  # noqa: BLE001 - one that was cut; the others count
                    log(f"a message was not understood: {error!r}")

    def _take(self, message: dict[str, Any]) -> None:
        from nbflow.ledger.liveness import hold_as_reaper

        what = message["op"]
        if what == "kernel":
            self._pid, self._started, self._token = (message[name] for name in ("pid", "started", "token"))
            sys.path.extend(message["sys_path"])  # behind the standard library; psutil may be there
        elif what == "register":
            if self._token is not None:  # before the answer: who finds the kernel dead has to find this process alive
                hold_as_reaper(Path(message["ledger"]), self._token)
            self._jobs[message["key"]] = {**message, "code": self._codes[message["code"]], "env": self._env}
        elif what == "code":  # once, as it may be large and many resources have it
            self._codes[message["id"]] = message["code"]
        elif what == "env":  # what all that is registered from now on is reclaimed with
            self._env = message["env"]
        elif what == "release":
            job = self._jobs.pop(message["key"], None)
            if job is not None:
                self._released.append((job["key"], job["ledger"]))
                if self._pool is not None:
                    self._pool.drop(job["key"])
        elif what == "now":
            self._reclaim(message["key"], why="as its run had given it up")
        if "n" in message:
            with suppress(OSError):  # it has gone meanwhile
                os.write(self._outlet, b"%d\n" % message["n"])

    # -- reclaiming -----------------------------------------------------------------------------------------------

    def _reclaim(self, *keys: str, why: str) -> None:
        from nbflow.ledger.reclaim_pool import ReclaimPool

        self._take_done()
        jobs = [self._jobs[key] for key in keys if key in self._jobs]
        for job in jobs:
            log(f"reclaiming {job['what']} {why}")
        if jobs:
            self._pool = self._pool or ReclaimPool(self._note, log=2)
            self._pool.add(*((job, why) for job in jobs))

    def _note(self, job: dict[str, Any], why: str, reason: str | None) -> None:
        """Take from a thread of the pool what has become of a job."""
        self._done.put((job, why, reason))
        with suppress(BlockingIOError):  # it has been rung often enough
            os.write(self._bell[1], b".")

    def _take_done(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._bell[0], 1 << 16)
        while not self._done.empty():
            job, why, reason = self._done.get()
            if reason is None:
                self._jobs.pop(job["key"], None)
                log(f"reclaimed {job['what']}")
                mark: Mark = (job["key"], "closed", time.time(), f"reclaimed by the reaper {why}")
            else:
                log(f"{job['what']} may still be alive: {reason}")
                mark = (job["key"], "failed", None, f"the reaper failed to reclaim it: {reason}")
            self._marks.setdefault(job["ledger"], []).append(mark)

    def _mark_released(self) -> None:
        """Write the ends that the kernel may not have come to write."""
        self._take_done()
        ends = (time.time(), "cleaned up just before its kernel ended")
        for key, ledger in self._released:
            self._marks.setdefault(ledger, []).append((key, "closed", *ends))

    def _write_marks(self, wait_s: float) -> None:
        """Write what has become of the jobs; what a locked ledger does not take is kept for the next time."""
        self._take_done()
        for ledger in tuple(self._marks):
            if self._mark(ledger, self._marks[ledger], wait_s):
                del self._marks[ledger]

    def _mark(self, ledger: str, marks: list[Mark], wait_s: float) -> bool:
        from nbflow.errors import LedgerUnavailableError, LockedLedgerError
        from nbflow.ledger.store import Store

        if not Path(ledger).exists():
            log(f"the ledger {ledger} is gone; not written: {marks}")
            return True
        try:
            with closing(Store(Path(ledger), lock_wait_s=wait_s)) as store:
                store.mark_all(marks)
        except LockedLedgerError:
            return False
        except LedgerUnavailableError as error:
            log(f"{error}; not written: {marks}")
        return True


def log(text: str) -> None:
    """Write one line to the log, which is the standard error of this process."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} reaper {os.getpid()}: {text}\n"
    with suppress(OSError):  # a full disk is no reason to leave a resource
        os.write(2, line.encode("utf-8", "replace"))


def _ignore(number: int, frame: object) -> None:
    """Do nothing; unlike SIG_IGN this is not inherited by what is started here."""


def main() -> None:
    """Watch the kernel that started this process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), _ignore)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _without_package()
    Reaper(0, 1).run()


if __name__ == "__main__":
    main()
