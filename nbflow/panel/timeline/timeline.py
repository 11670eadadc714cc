"""The timeline's side in the kernel: it tells spans for as long as somebody has it in front, and does nothing else."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.panel.part import RUN, Json, Part
from nbflow.panel.throttle import Throttle
from nbflow.panel.timeline.span_lanes import SpanLanes

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

INTERVAL_S = 0.25
MOST_CHILDREN = 5_000
_MOST_MAPS, _MOST_VIEWS = 100, 8


class Timeline(Part):
    """Tells `timeline` to views that have said that they show it, and the children of which maps.

    A view is forgotten when it shows something else; all are when another page opens, and asked again.
    """

    handles: ClassVar[Mapping[str, str]] = {"timeline": "_wish"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._lock = threading.Lock()  # around the wishes and what was told
        self._wishes: dict[str, dict[str, int]] = {}
        self._lanes: SpanLanes | None = None
        weak = weakref.ref(self)  # a timer keeps no panel alive
        self._news = Throttle(lambda keys: _tell(weak(), keys), interval_s=INTERVAL_S)

    def followed(self, run: Run | None) -> None:
        """Another run is shown: its spans are told whole."""
        if self._wishes:
            self._news.mark(_ALL)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Note what may have other spans, if anybody looks at them."""
        if self._wishes:
            for key in keys:
                self._news.mark(key)

    def ended(self, run: Run) -> None:
        """Tell how it ended."""
        if self._wishes:
            self._news.mark(RUN)

    def close(self) -> None:
        """Tell no more."""
        self._wishes = {}
        self._news.close()

    def ask_again(self) -> None:
        """Ask who shows it: a page that was left does not say so."""
        with self._lock:
            was_shown, self._wishes = bool(self._wishes), {}
        if was_shown:
            self.panel.tell("timeline_again")

    def _wish(self, message: Json) -> None:
        view, wanted = str(message.get("by", ""))[:40], message.get("open")
        with self._lock:
            before = self._wishes.pop(view, None)
            if message.get("on") is True:
                self._wishes[view] = _counts(wanted)
                while len(self._wishes) > _MOST_VIEWS:
                    del self._wishes[next(iter(self._wishes))]
        if message.get("on") is True:
            self._news.mark(_ALL if before is None else _MORE)

    def tell_news(self, keys: tuple[Hashable, ...]) -> None:
        """Tell what may have changed: tasks, or all of it."""
        run = self.panel.run
        with self._lock:
            if not self._wishes or run is None:
                return
            wanted: dict[str, int] = {}
            for wish in self._wishes.values():
                for key, count in wish.items():
                    wanted[key] = max(count, wanted.get(key, 0))
            lanes = self._lanes
            if lanes is None or lanes.run is not run:
                lanes = self._lanes = SpanLanes(run, self.panel.picture.rows)
            whole = _ALL in keys
            if whole:
                lanes.forget()
            every: Any = None if whole or RUN in keys else [key for key in keys if key in run.graph.index]
            news = lanes.news(every, wanted)
            if whole or any(news.values()):
                self.panel.tell("timeline", run=run.number, whole=whole, **news)


_ALL, _MORE = "all", "more"


def _counts(wanted: object) -> dict[str, int]:
    """Read how many children of which maps are wished for; a page may say anything."""
    if not isinstance(wanted, dict):
        return {}
    counts = ((key, count) for key, count in wanted.items() if isinstance(key, str) and type(count) is int)
    return {key: max(0, min(count, MOST_CHILDREN)) for key, count in list(counts)[:_MOST_MAPS]}


def _tell(part: Timeline | None, keys: tuple[Hashable, ...]) -> None:
    if part is not None:
        part.panel.guarded(lambda: part.tell_news(keys))
