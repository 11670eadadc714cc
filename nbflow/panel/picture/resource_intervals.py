"""When the resources of a run were open: the intervals that a timeline shows behind the tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.render.palette import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.resource import Block
    from nbflow.engine.events import Event
    from nbflow.engine.run import Run

# Key of the box, start, end (None while it goes on), status, its icon and word, how many it stands for.
Span = list[Any]

# So many intervals of a block are told one by one, all further ones as one: it may be mapped over thousands.
EACH = 40
_END, _STATUS, _LINE, _COUNT = 2, 3, 4, 5
_LIVE = frozenset({"opening", "open", "closing"})


class ResourceIntervals:
    """The intervals from the opening of a resource to the end of its cleanup, in seconds since the run's start.

    A resource that is opened again, by a retry, has one more. The run's log is read once, as it grows.

    Args:
        boxes: The key of each block.
        each: How many intervals of a block are told one by one.
    """

    def __init__(self, boxes: Mapping[Block, str], *, each: int = EACH) -> None:
        self._boxes = boxes
        self._each = each
        self._read = 0
        self._all: dict[str, Span] = {}
        self._last: dict[tuple[Block, int | None], str] = {}
        self._rest: dict[Block, _Rest] = {}
        self._told: dict[Block, int] = {}

    def news(self, run: Run | None) -> dict[str, Span]:
        """Return the intervals that have begun or changed since the last call, by an id of each."""
        if run is None:
            return {}
        events = run._record.log.events  # not the public list, a copy of what may be a million
        changed: dict[str, Span] = {}
        while self._read < len(events):
            event = events[self._read]
            self._read += 1
            if event.kind != "block" or event.block is None or event.block not in self._boxes:
                continue
            at = round(event.time - (run.timings.started_at or event.time), 3)
            if (key := self._note(event, event.block, at)) is not None:
                changed[key] = self._all[key]
        return {key: list(span) for key, span in changed.items()}

    def all(self) -> dict[str, Span]:
        """Return all intervals, as of the last news."""
        return {key: list(span) for key, span in self._all.items()}

    def _note(self, event: Event, block: Block, at: float) -> str | None:
        who, status = (block, event.map_index), event.note
        key = self._last.get(who)
        begins = status in _LIVE and (key is None or self._all[key][_END] is not None)
        if begins and self._told.get(block, 0) < self._each:
            number = self._told[block] = self._told.get(block, 0) + 1
            key = self._last[who] = f"{self._boxes[block]}/{number}"
            self._all[key] = [self._boxes[block], at, None, status, "", 1]
        elif begins or (key is None and block in self._rest):
            self._last.pop(who, None)
            return self._note_rest(block, event.map_index, status, at)
        if key is None:
            return None  # it was never opened: skipped
        span = self._all[key]
        span[_STATUS], span[_LINE] = status, _line(status)
        if status not in _LIVE and span[_END] is None:
            span[_END] = at
        return key

    def _note_rest(self, block: Block, index: int | None, status: str, at: float) -> str | None:
        key = f"{self._boxes[block]}/more"
        rest = self._rest.get(block)
        if rest is None:
            rest = self._rest[block] = _Rest()
            self._all[key] = [self._boxes[block], at, None, status, "", 1]
        if not rest.note(index, status):
            return None
        span = self._all[key]
        span[_STATUS] = "leaked" if rest.leaked else "open" if rest.live else status
        span[_END] = None if rest.live else at
        span[_LINE], span[_COUNT] = _line(span[_STATUS]), rest.count
        return key


class _Rest:
    """Further intervals of one block, summed up: how many there were, and which resources are open or left."""

    def __init__(self) -> None:
        self.count = 0
        self.live: set[int | None] = set()
        self.leaked: set[int | None] = set()

    def note(self, index: int | None, status: str) -> bool:
        """Note a change; returns whether it says anything of an interval."""
        if status in _LIVE:
            self.count += index not in self.live
            self.live.add(index)
            return True
        known = index in self.live or index in self.leaked
        self.live.discard(index)
        (self.leaked.add if known and status == "leaked" else self.leaked.discard)(index)
        return known


def _line(status: str) -> str:
    return BLOCKS[status].label if status in BLOCKS else status
