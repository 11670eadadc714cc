"""A simulated cluster that keeps what its tasks return, as a real one keeps large values, for tests.

Every value that is no atom stays there; the kernel gets what stands for it, and copies when it asks for them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import identity
from nbflow.engine.attempt import Outcome
from nbflow.engine.elements import is_iterator, is_mappable
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.remote_value import RemoteFacts, RemoteItem, RemoteValue
from nbflow.engine.value_facts import facts_of
from nbflow.errors import ValueReleasedError
from nbflow.executors.parcel import packed, unpacked
from tests.executors.simulated_cluster import SimulatedCluster, SimulatedSession
from tests.properties.simulation.cluster import NotingShipper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.states import Released
    from nbflow.engine.attempt import Call
    from nbflow.engine.executor import Report
    from nbflow.executors.bundle import Bundle


class KeptValues:
    """Has values, as bytes.

    Attributes:
        gone: Why they are gone; None while they are here.
        fetched: Which tasks' values the kernel has fetched.
        rounds: How many values it has asked for each time.
        sent: Which tasks' values have gone to a task on the cluster.
    """

    def __init__(self) -> None:
        self.gone: Released | None = None
        self.fetched: list[str] = []
        self.rounds: list[int] = []
        self.sent: list[str] = []
        self.parts: dict[int, list[bytes]] = {}

    def keep(self, value: Any) -> RemoteValue:
        """Keep a value for as long as somebody refers to what is returned."""
        key = len(self.parts) + len(self.fetched) + 1
        while key in self.parts:
            key += 1
        self.parts[key] = [bytes(part) for part in packed(value)]
        kept = RemoteValue(self, key, facts_of_value(value))
        weakref.finalize(kept, self.parts.pop, key, None)
        return kept

    def read(self, value: RemoteValue) -> Any:
        """Return a copy, as a task on the cluster gets it."""
        self.sent.append(value.task)
        return self._copy(value)

    def fetch(self, value: RemoteValue) -> Any:
        """Return a copy for the kernel."""
        self.rounds.append(1)
        return self._fetched(value)

    def fetch_all(self, values: Sequence[RemoteValue]) -> list[Any]:
        """Return copies of several."""
        self.rounds.append(len(values))
        return [self._fetched(value) for value in values]

    def _fetched(self, value: RemoteValue) -> Any:
        self.fetched.append(value.task)
        return self._copy(value)

    def _copy(self, value: RemoteValue) -> Any:
        if self.gone is not None:
            raise ValueReleasedError(*self.gone)
        return unpacked([bytearray(part) for part in self.parts[value.key]])


def facts_of_value(value: Any) -> RemoteFacts:
    """Return what is known of a value where it is."""
    facts = facts_of(value, source="", where="")
    count = facts.length if is_mappable(value) and not is_iterator(value) else None
    return RemoteFacts(facts.type, facts.size, facts.length, facts.repr, count, facts.fingerprint)


class KeepingCluster(SimulatedCluster):
    """An executor whose workers keep what their tasks return.

    Attributes:
        values: What they keep.
        keeps_values: Whether it can be had when a session is closed.
    """

    def __init__(self, workers: int = 2, *, keeps_values: bool = True, **options: Any) -> None:
        super().__init__(workers, **options)
        self.values, self.keeps_values = KeptValues(), keeps_values

    def open(self, report: Report, *, name: str) -> KeepingSession:
        return KeepingSession(self, report, name)


class KeepingSession(SimulatedSession):
    """Reports what stands for values, and sends the values themselves to tasks that take them."""

    def __init__(self, executor: KeepingCluster, report: Report, name: str) -> None:
        super().__init__(executor, report, name)
        self._values, self.keeps_values = executor.values, executor.keeps_values
        self.cluster.shipper = _Shipper(self.cluster, self._values)

    def has(self, value: RemoteValue) -> bool:
        return value.holder is self._values

    def close(self, timeout_s: float) -> None:
        super().close(timeout_s)
        self.cluster.shipper.calls = ()  # what was simulated is not to keep values alive
        for process in self.cluster.processes:
            process.calls = ()

    def _tell(self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None) -> None:
        super()._tell([(call, self._kept(call, outcome)) for call, outcome in ended], begun)

    def _kept(self, call: Call, outcome: Outcome) -> Outcome:
        if not call.is_remote or outcome.error is not None or identity(type(outcome.value)) in ATOMS:
            return outcome
        return Outcome(self._values.keep(outcome.value), None)


class _Shipper(NotingShipper):
    def __init__(self, cluster: Any, values: KeptValues) -> None:
        super().__init__(cluster)
        self._values = values

    def ship(self, bundle: Bundle, *, knows_base: bool = False) -> list[Any]:
        before = {call: call.inputs for call in bundle.left}
        for call, inputs in before.items():
            call.inputs = {key: self._sent(value) for key, value in inputs.items()}
        try:
            return super().ship(bundle, knows_base=knows_base)
        finally:
            for call, inputs in before.items():
                call.inputs = inputs

    def _sent(self, value: Any) -> Any:
        if type(value) is RemoteValue and value.holder is self._values:
            return self._values.read(value)
        if type(value) is RemoteItem and value.whole.holder is self._values:
            from nbflow.engine.elements import element

            return element(self._values.read(value.whole), value.place)
        if type(value) is dict:
            return {key: self._sent(one) for key, one in value.items()}
        return type(value)(map(self._sent, value)) if type(value) in (list, tuple) else value
