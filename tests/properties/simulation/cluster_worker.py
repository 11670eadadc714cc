"""A worker of a simulated cluster: the real program, its process and its connection made up."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

from nbflow.executors.errors import WorkerDiedError
from nbflow.executors.worker import Worker
from nbflow.executors.worker_process import WorkerLost, WorkerProcess
from tests.properties.simulation.aside import Aside, Killed

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.executors.parcel import Shipped
    from tests.properties.simulation.cluster import Cluster


class SimulatedProcess(WorkerProcess):
    """A worker as the kernel sees it: what is said either way waits until the simulation has it heard.

    Attributes:
        heard: What the kernel has said, and the worker has not read.
        said: What the worker has said, and the kernel has not read; it stays when the worker dies.
    """

    def __init__(self, cluster: Cluster, number: int) -> None:
        self._cluster, self._number = cluster, number
        self._place = os.getcwd(), dict(os.environ)
        self.knows_base, self.made = False, 0
        self.heard: deque[tuple[str, list[Any]]] = deque()
        self.said: deque[tuple[str, list[Any]]] = deque()
        self.is_dead = False
        self.is_closed = False
        self.calls: tuple[Call, ...] = ()  # of the bundle that was sent last, as the kernel has them
        self.worker = SimulatedWorker(cluster, self)

    @property
    def pid(self) -> int:
        return self._number

    @property
    def is_alive(self) -> bool:
        return not self.is_dead

    def send_calls(self, parts: list[Any]) -> None:
        calls = self._cluster.shipper.calls
        super().send_calls([bytes(part) for part in parts])
        self.calls = calls
        self._cluster.note_sent(calls)
        self._cluster.tell(f"{self.name} is sent {', '.join(call.task.name for call in calls)}")

    def _send(self, kind: str, parts: list[Any]) -> None:
        if self.is_dead:
            raise WorkerLost
        if kind != "place":  # it is where the kernel is
            self.heard.append((kind, [bytearray(part) for part in parts]))

    def receive(self, timeout_s: float) -> tuple[str, list[Any]] | None:
        cluster = self._cluster
        cluster.resting_hand.aside.rest(cluster.clock() + timeout_s, lambda: bool(self.said) or self.is_dead)
        if self.said:
            return self.said.popleft()
        if self.is_dead:
            raise WorkerLost
        return None

    def death(self, task_name: str) -> WorkerDiedError:
        return WorkerDiedError(task_name, self.name, "has died")

    def close(self) -> None:
        self.is_closed = True
        self.die()

    def kill(self) -> bool:
        self.is_closed = True
        if not self.is_dead:
            self._cluster.tell(f"{self.name} is killed")
        self.die()
        return True

    def heed(self) -> None:
        """Have the worker read what was said first."""
        self.worker._heed(*self.heard.popleft())

    def die(self) -> None:
        """Be no more, wherever its program is."""
        if not self.is_dead:
            self.is_dead = True
            self.worker.aside.kill()


class SimulatedWorker(Worker):
    """The program of a worker, which rests wherever it may die.

    Attributes:
        call_here: The call that it makes, as the kernel has it; None if it makes none.
    """

    def __init__(self, cluster: Cluster, process: SimulatedProcess) -> None:
        super().__init__(None, "")  # type: ignore[arg-type]
        self._cluster, self._process = cluster, process
        self._flush_figures = lambda: None
        self.aside = Aside(self._work_on)
        self.call_here: Call | None = None
        self._has_news = False  # that the call it makes may want to hear
        self._answer: tuple[str, list[Any]] = "", []

    def _work_on(self) -> Any:
        while True:
            self.aside.rest(None, lambda: not self._bundles.empty())
            self._make_all(self._bundles.get())

    def stay(self, until: float | None) -> None:
        """Rest in the midst of a call, until something is sent to it or this time has come."""
        self._has_news = False
        self.aside.rest(until, lambda: self._has_news)

    def _make(self, number: int, call: Call, shipped: Shipped) -> None:
        cluster, here = self._cluster, self._process.calls[number]
        self.call_here = here
        cluster.tell(f"{self._process.name} begins {here.task.name}")
        cluster.begins(here, self)
        with cluster.output_of(self):
            super()._make(number, call, shipped)
        cluster.made(here, call.returned)
        self.aside.rest(cluster.clock())  # it was made, and may never be told
        kind, answer = self._answer
        self._process.said.append((kind, answer))
        self.call_here = None
        self.aside.rest(cluster.clock())

    def _stop(self, call: Call, error: type[BaseException] | None) -> None:
        super()._stop(call, error)
        self._has_news = True

    def _send(self, kind: str, parts: list[Any]) -> None:
        if self._process.is_dead:
            raise Killed
        copies = [bytearray(part) for part in parts]
        if kind in ("ended", "apart"):
            self._answer = kind, copies
        else:
            self._process.said.append((kind, copies))
