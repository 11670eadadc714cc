"""What must hold when the user's code is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.compiled_graph import ORDINARY
from tests.properties.simulation.model import Resource
from tests.properties.simulation.trace import Trace
from tests.properties.simulation.tracker import HAS_TRACKER

if TYPE_CHECKING:
    from collections.abc import Callable


class CallInvariants(Trace):
    """Checks what a task gets, what a setup may count on, and what a cleanup is told."""

    def _row(self, key: str, index: int) -> str | None:
        """What the tracker knew of a resource when the present call began."""
        flight = self.simulation.flight
        return (self.tracker.rows if flight is None else flight.rows).get((key, index))

    def check_intent(self, key: str, index: int) -> None:
        """Rule 10: the tracker knows before a setup begins."""
        if HAS_TRACKER and self._row(key, index) != "intent":
            raise self.broken(f"rule 10: setup of {key}[{index}] begins unknown to the tracker")

    def reclaimer_of(self, key: tuple[str, int]) -> Callable[[], object] | None:
        """What reclaims by the early handle what the last setup may have made; None if its manager has none."""
        attempt = next((attempt for attempt in reversed(self.attempts) if attempt.key == key), None)
        if attempt is None or not attempt.early:
            return None

        def reclaim() -> None:
            attempt.reclaims += 1
            self.simulation.tell(f"{attempt.name} is reclaimed")
            is_last = attempt is next(one for one in reversed(self.attempts) if one.key == key)
            if HAS_TRACKER and is_last and self.tracker.rows.get(key) == "closed":
                raise self.broken(f"rule 13: {attempt.name} is reclaimed, and closed in the ledger")
            if attempt.reclaimed or attempt.succeeded:
                raise self.broken(f"rule 13: {attempt.name} was reclaimed twice, or although it went well")
            if attempt.early == "raise" and attempt.reclaims == 1:
                raise OSError("a reclaim that fails")
            attempt.reclaimed += 1

        return reclaim

    def check_use(self, key: str, resource: Any) -> None:
        """Rules 1, 3 and 10: what a task gets is set up, noted, and not cleaned up yet."""
        if not isinstance(resource, Resource):
            return
        flight = self.simulation.flight
        if flight is not None and (flight.call in self.loop.lingering.late):
            return
        if resource.cleanups:
            raise self.broken(f"rule 3: {key} begins to use {resource.key}, whose cleanup has begun")
        if HAS_TRACKER and self._row(resource.key, resource.index) != "open":
            raise self.broken(f"rule 10: {key} uses {resource.key} before the tracker knows that it is open")

    def check_cleanup(self, key: str, index: int, mine: Resource | None, given: Any, outcome: Any) -> None:
        """Rules 1, 9 and 10: a cleanup gets what its setup gave, once, and the tracker knows."""
        name = f"{key}[{index}]"
        if mine is None:
            raise self.broken(f"rule 9: cleanup of {name}, whose setup gave nothing")
        if given is not mine:
            raise self.broken(f"rule 1: cleanup of {name} got {given!r}")
        if mine.cleaned:
            raise self.broken(f"rule 1: {name} was cleaned up twice")
        if HAS_TRACKER and self._row(key, index) != "closing":
            raise self.broken(f"rule 10: cleanup of {name} begins unknown to the tracker")
        mine.cleanups += 1
        if index < 0:
            self._check_outcome(key, outcome)

    def check_hooks(self, key: str, called: list[str], outcome: Any) -> None:
        """Rule 11: the hook that fits was called before the cleanup, once however often that is tried."""
        expected = "on_success" if outcome.is_successful else "on_failure"
        if called != [expected]:
            raise self.broken(f"rule 11: of {key} {called} were called, not {expected}")

    def _check_outcome(self, key: str, outcome: Any) -> None:
        """Rule 11: the outcome says how the tasks inside ended."""
        graph = self.loop.graph
        told = {task: end for end in ("succeeded", "failed", "skipped") for task in getattr(outcome, end)}
        for number in self.inside(self.numbers[key]):
            state = self._state(number, -1)
            if graph.role[number] != ORDINARY or graph.is_map[number] or not state.is_finished():
                continue
            end = "skipped" if state.is_skipped() else "succeeded" if state.is_successful() else None
            end = "failed" if state.is_failed() else end
            if told.get(graph.tasks[number]) != end:
                raise self.broken(f"rule 11: {graph.tasks[number].name} is {state}, not {told}")
