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
import threading
import time
from collections import deque
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

LOOK_S = 0.5
_LOOK_AFTER_END_S = 0.02  # the kernel's files close before its pid goes
_LOCK_WAIT_S = 10.0
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
    """Watches one kernel. What the kernel says is read by the main thread, reclaims are made one at a time by another.

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
        self._queue: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self._worker: threading.Thread | None = None

    def run(self) -> None:
        """Watch until the kernel is gone, then reclaim what it has left, last in first out."""
        os.set_blocking(self._inlet, False)
        try:
            self._watch()
            for key in tuple(reversed(self._jobs)):  # the worker takes out what it has done
                self._hand_on(key, "after its kernel had ended")
        finally:
            if self._worker is not None:  # also when it has reclaimed before, for a run that gave up
                self._queue.put(None)
                self._worker.join()
        self._mark_released()

    def _watch(self) -> None:
        while True:
            try:
                if self._is_over():
                    self._read()  # what it said last
                    return
                if self._has_ended:
                    time.sleep(_LOOK_AFTER_END_S)
                else:
                    select.select([self._inlet], [], [], LOOK_S)
                    self._read()
            except Exception as error:  # noqa: BLE001 - it has to go on, whatever it lacks just now
                log(f"cannot watch: {error!r}")
                time.sleep(LOOK_S)

    def _is_over(self) -> bool:
        from nbflow.ledger.processes import is_alive

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
            if (
                self._token is not None
            ):  # before the answer: who finds the kernel dead has to find this process alive
                hold_as_reaper(Path(message["ledger"]), self._token)
            self._jobs[message["key"]] = message
        elif what == "release":
            job = self._jobs.pop(message["key"], None)
            if job is not None:
                self._released.append((job["key"], job["ledger"]))
        elif what == "now":
            self._hand_on(message["key"], "as its run had given it up")
        if "n" in message:
            self._answer(message["n"])

    def _answer(self, number: int) -> None:
        try:
            os.write(self._outlet, b"%d\n" % number)
        except OSError:
            return  # it has gone meanwhile

    # -- reclaiming -----------------------------------------------------------------------------------------------

    def _hand_on(self, key: str, why: str) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="reclaims")
            self._worker.start()
        self._queue.put((key, why))

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            key, why = asked
            job = self._jobs.get(key)
            if job is not None:  # else it was reclaimed, or cleaned up, while it waited here
                try:
                    self._reclaim(job, why)
                except Exception as error:  # noqa: BLE001 - the next one has its turn all the same
                    log(f"{job['what']}: {error!r}")

    def _reclaim(self, job: dict[str, Any], why: str) -> None:
        from nbflow.ledger.reclaim import run_reclaim

        log(f"reclaiming {job['what']} {why}")
        reason = run_reclaim(job["code"], job["handle"], env=job.get("env"), log=2)
        if reason is None:
            self._jobs.pop(job["key"], None)
            log(f"reclaimed {job['what']}")
            mark: Mark = (job["key"], "closed", time.time(), f"reclaimed by the reaper {why}")
        else:
            log(f"{job['what']} may still be alive: {reason}")
            mark = (job["key"], "failed", None, f"the reaper failed to reclaim it: {reason}")
        self._mark(job["ledger"], mark)

    def _mark_released(self) -> None:
        """Write the ends that the kernel may not have come to write."""
        ends = (time.time(), "cleaned up just before its kernel ended")
        for ledger in dict.fromkeys(ledger for _, ledger in self._released):
            self._mark(ledger, *((key, "closed", *ends) for key, where in self._released if where == ledger))

    def _mark(self, ledger: str, *marks: Mark) -> None:
        from nbflow.errors import LedgerUnavailableError
        from nbflow.ledger.store import Store

        if not Path(ledger).exists():
            log(f"the ledger {ledger} is gone; not written: {marks}")
            return
        try:
            store = Store(Path(ledger), lock_wait_s=_LOCK_WAIT_S)
            try:
                for mark in marks:
                    store.mark(*mark)
            finally:
                store.close()
        except LedgerUnavailableError as error:
            log(f"{error}; not written: {marks}")


def log(text: str) -> None:
    """Write one line to the log, which is the standard error of this process."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} reaper {os.getpid()}: {text}\n"
    try:
        os.write(2, line.encode("utf-8", "replace"))
    except OSError:
        return  # a full disk is no reason to leave a resource


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
