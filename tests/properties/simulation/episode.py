"""One run of a simulation, and whether the rules hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.properties.simulation.calls import InCalls
from tests.properties.simulation.events import AtEvents
from tests.properties.simulation.rest import AtRest

if TYPE_CHECKING:
    from tests.properties.simulation.machinery import Loop
    from tests.properties.simulation.simulation import Simulation


class Episode(InCalls, AtEvents, AtRest):
    """One run of a simulation: what is in the air, what was made, and whether the rules hold."""

    def __init__(self, simulation: Simulation, loop: Loop) -> None:
        super().__init__(simulation, loop)
        self.tracker.reclaimer_of = self.reclaimer_of
        self.listened = loop.record.log.listen(self.on_event)
