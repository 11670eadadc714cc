"""Reclaims of many resources at once: a process for each class, inner resources before outer ones.

One that hangs delays nobody for long: after a moment another process takes over the others of its class, and what is
around it goes ahead.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.ledger.reclaim import ReclaimProcess

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 1.0  # for a reclaim that others wait for
LOAD_PATIENCE_S = 2.5  # for its class to be loaded


@dataclass(slots=True, eq=False)
class Asked:
    """A reclaim that was asked for.

    Attributes:
        job: What the kernel registered: its `key`, `handle`, `code`, and the keys that it is `within`.
        why: For the log.
        kind: What it shares its process with.
        inner: What is not reclaimed yet and is inside of it.
        late_at: When others stop to wait for it, once it has begun.
    """

    job: dict[str, Any]
    why: str
    kind: tuple[object, ...]
    inner: dict[str, Asked] = field(default_factory=dict)
    late_at: float | None = None

    def may_begin(self, now: float) -> bool:
        """Whether all that is inside of it is gone, or has had its time."""
        return all(one.is_late(now) for one in self.inner.values())

    def is_late(self, now: float) -> bool:
        """Whether others need not wait for it any longer."""
        return self.late_at is not None and self.late_at <= now


@dataclass(slots=True, eq=False)
class Lane:
    """A thread with a process for one class's reclaims, which are made one after the other."""

    doing: Asked | None = None
    is_loaded: bool = False


class ReclaimPool:
    """Reclaims what it is given, from threads of its own. Safe to use from several threads.

    Args:
        done: Called with each job, why it was asked for, and None or what went wrong. From several threads.
        log: A file descriptor for what the reclaims print.
        patience_s: How long the others wait for one that has begun.
    """

    def __init__(
        self,
        done: Callable[[dict[str, Any], str, str | None], None],
        *,
        log: int | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._done = done
        self._log = log
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._asked: dict[str, Asked] = {}  # what is not done, first in first out
        self._waiting: dict[tuple[object, ...], dict[str, Asked]] = {}
        self._ended: set[str] = set()  # their keys; asked for again, perhaps as the kernel has ended meanwhile
        self._lanes: dict[tuple[object, ...], list[Lane]] = {}
        self._supervisor: threading.Thread | None = None

    def add(self, *jobs: tuple[dict[str, Any], str]) -> None:
        """Have these jobs done, each for a reason, in this order where nothing else speaks against it."""
        with self._changed:
            for job, why in jobs:
                if job["key"] in self._asked or job["key"] in self._ended:
                    continue
                one = Asked(job, why, (id(job["code"]), id(job.get("env"))))
                for other in self._asked.values():
                    if one.job["key"] in other.job.get("within", ()):
                        one.inner[other.job["key"]] = other
                    elif other.job["key"] in job.get("within", ()) and other.late_at is None:
                        other.inner[job["key"]] = one
                self._asked[job["key"]] = one
                self._waiting.setdefault(one.kind, {})[job["key"]] = one
            if self._supervisor is None and self._asked:
                self._supervisor = threading.Thread(target=self._supervise, name="reclaims")
                self._supervisor.start()
            self._changed.notify_all()

    def drop(self, key: str) -> None:
        """Take back what has not begun yet, as it was cleaned up in another way."""
        with self._changed:
            one = self._asked.get(key)
            if one is not None and one.late_at is None:
                del self._waiting[one.kind][key]
                self._remove(one)

    def _remove(self, one: Asked) -> None:
        del self._asked[one.job["key"]]
        for other in self._asked.values():
            other.inner.pop(one.job["key"], None)
        self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait so long for all to be done; tells whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._asked, timeout_s)

    def _supervise(self) -> None:
        """Start a process wherever something may begin and all processes of its class are busy for too long."""
        with self._changed:
            while self._asked:
                now = time.monotonic()
                for kind, waiting in self._waiting.items():
                    lanes = self._lanes.setdefault(kind, [])
                    is_stuck = all(lane.doing is not None and lane.doing.is_late(now) for lane in lanes)
                    if is_stuck and any(one.may_begin(now) for one in waiting.values()):
                        lanes.append(Lane())
                        threading.Thread(target=self._work, args=(kind, lanes[-1]), name="reclaim").start()
                self._changed.wait(self._until_late(now))
            self._supervisor = None

    def _until_late(self, now: float) -> float | None:
        late = [one.late_at - now for one in self._asked.values() if one.late_at is not None]
        return min((one for one in late if one > 0), default=None)

    def _work(self, kind: tuple[object, ...], lane: Lane) -> None:
        process: ReclaimProcess | None = None
        while (one := self._begin(kind, lane)) is not None:
            if process is None:
                code, env = one.job["code"], one.job.get("env")
                process = ReclaimProcess(code, env=env, log=self._log, ready=lambda: self._loaded(lane))
            try:
                reason = process.reclaim(one.job["handle"])
            except Exception as error:  # noqa: BLE001 - the next one has its turn all the same
                reason = repr(error)
            self._done(one.job, one.why, reason)
            with self._changed:
                lane.doing = None
                if reason is None:
                    self._ended.add(one.job["key"])
                self._remove(one)
        if process is not None:
            process.close()

    def _begin(self, kind: tuple[object, ...], lane: Lane) -> Asked | None:
        """Wait for the next one of a class that may begin; None, and the lane is closed, when there is none left."""
        with self._changed:
            while waiting := self._waiting.get(kind):
                now = time.monotonic()
                one = next((one for one in waiting.values() if one.may_begin(now)), None)
                if one is not None:
                    del waiting[one.job["key"]]
                    lane.doing = one
                    one.late_at = now + (self._patience_s if lane.is_loaded else LOAD_PATIENCE_S)
                    self._changed.notify_all()  # the supervisor looks at the clock
                    return one
                self._changed.wait(self._until_late(now))
            self._lanes[kind].remove(lane)
            return None

    def _loaded(self, lane: Lane) -> None:
        """Note that a class is loaded: from now on it is its reclaim that takes the time."""
        with self._changed:
            lane.is_loaded = True
            if lane.doing is not None:
                lane.doing.late_at = time.monotonic() + self._patience_s
            self._changed.notify_all()
