"""One run of a simulation, and whether the rules hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.properties.simulation.call_invariants import CallInvariants
from tests.properties.simulation.event_invariants import EventInvariants
from tests.properties.simulation.idle_invariants import IdleInvariants

if TYPE_CHECKING:
    from tests.properties.simulation.fakes import Loop
    from tests.properties.simulation.simulator import Simulator


class Episode(CallInvariants, EventInvariants, IdleInvariants):
    """One run of a simulation: what is in the air, what was made, and whether the rules hold."""

    def __init__(self, simulation: Simulator, loop: Loop) -> None:
        super().__init__(simulation, loop)
        self.tracker.reclaimer_of = self.reclaimer_of
        self.listened = loop.record.log.listen(self.on_event)
