"""The tracker of a simulated run: it notes what it is told, and that it is told in order (rule 10)."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from nbflow.engine.resource_tracker import ClaimAnswer
from nbflow.engine.run_loop import RunLoop
from tests.properties.simulation.model import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.open_resources import OpenResource

HAS_TRACKER = "tracker" in inspect.signature(RunLoop).parameters


class Tracker:
    """Notes what the loop tells of each resource, and that it tells it in order (rule 10)."""

    MAY_FOLLOW = {
        "intent": (None, "intent", "closed", "failed", "abandoned"),  # a setup that is tried again
        "open": ("intent", "open"),
        "closing": ("open", "closing", "failed", "abandoned"),
        "closed": ("intent", "open", "closing", "failed", "abandoned"),
        "failed": ("intent", "open", "closing", "failed", "abandoned"),
        "abandoned": ("intent", "open", "closing", "failed"),
    }

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], str] = {}
        self.kept_rows: set[tuple[str, int]] = set()
        self.halves: set[tuple[str, int]] = set()
        self.is_flushed = False
        self.reclaimer_of: Callable[[tuple[str, int]], Callable[[], object] | None] = lambda key: None
        self.broken: Callable[[str], Wrong] = Wrong

    def _to(self, state: str, held: OpenResource) -> None:
        key = (held.block.name, held.index)
        before = self.rows.get(key)
        if state == "intent" and before == "failed":
            self.halves.add(key)
        if (before, state) == ("closed", "closed") and key in self.halves:  # what an earlier try has left
            return
        if before not in self.MAY_FOLLOW[state]:
            self.broken(f"rule 10: {held.name} was told {state} after {before}")
        self.rows[key] = state

    def intend(self, held: OpenResource) -> None:
        self._to("intent", held)

    def opened(self, held: OpenResource) -> None:
        self._to("open", held)

    def closing(self, held: OpenResource) -> None:
        self._to("closing", held)

    def closed(self, held: OpenResource) -> None:
        self._to("closed", held)

    def failed(self, held: OpenResource, error: BaseException) -> None:
        if not (held.half and self.rows.get((held.block.name, held.index)) == "closed"):  # of an earlier try
            self._to("failed", held)

    def kept(self, held: OpenResource) -> None:
        self._to("open", held)
        self.kept_rows.add((held.block.name, held.index))

    def abandoned(self, held: OpenResource) -> None:
        self._to("abandoned", held)

    def claim(self, held: OpenResource) -> ClaimAnswer:
        return ClaimAnswer()

    def reclaimer(self, held: OpenResource) -> Callable[[], object] | None:
        return self.reclaimer_of((held.block.name, held.index))

    def flush(self) -> None:
        self.is_flushed = True
