"""The list of the flow's runs, and two of them side by side."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.panel.background import Background
from nbflow.panel.part import Part
from nbflow.panel.runs.runs_json import comparison_json, run_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.panel.widget import Panel


class Runs(Part):
    """Tells the list of runs once it was asked for and whenever it changes; shows another run; compares two.

    The script is told `runs` and `comparison`.
    """

    handles: ClassVar[Mapping[str, str]] = {"list_runs": "_list", "show": "_show", "compare": "_compare"}

    def __init__(self, panel: Panel, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(panel)
        self.background = Background(panel.guarded, "compare")
        self._clock = clock
        self._is_wanted = False
        self._told: list[tuple[Any, ...]] = []
        self._unlisten: Callable[[], None] = lambda: None

    def followed(self, run: Run | None) -> None:
        """Another run is shown."""
        if self._is_wanted:
            self.panel.guarded(self.tell)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """The list changes only when a run does."""
        if self._is_wanted and self._marks() != self._told:
            self.tell()

    def ended(self, run: Run) -> None:
        """A run is over."""
        if self._is_wanted:
            self.panel.guarded(self.tell)

    def close(self) -> None:
        """Tell no more."""
        self._is_wanted = False
        self._unlisten()
        self.background.drop()

    def tell(self, note: str = "") -> None:
        """Tell the list, newest run first.

        Args:
            note: What else to say.
        """
        runs = list(self.panel.flow.runs.copy())
        self._told = self._marks()
        now = self._clock()
        listed = [run_json(run, former, now=now) for run, former in zip(runs, [None, *runs], strict=False)]
        shown = self.panel.run
        self.panel.tell(
            "runs",
            runs=listed[::-1],
            shown=None if shown is None else shown.number,
            is_kept=shown is None or shown in runs,
            note=note,
        )

    def _list(self, message: Json) -> None:
        if not self._is_wanted:
            self._is_wanted = True
            weak = weakref.ref(self)  # the flow does not keep a panel
            self._unlisten = self.panel.flow._on_start(lambda _: _tell(weak()))
        self.tell()

    def _show(self, message: Json) -> None:
        run = self._run(message.get("number"))
        if run is not None and run is not self.panel.run:
            self.panel.follow(run)

    def _compare(self, message: Json) -> None:
        numbers = message.get("runs")
        if not isinstance(numbers, list) or len(numbers) != 2:
            return
        one, other = (self._run(number) for number in numbers)
        if one is not None and other is not None:
            self.background.ask(lambda is_latest: self._put_side_by_side(one, other, is_latest))

    def _put_side_by_side(self, one: Run, other: Run, is_latest: Callable[[], bool]) -> None:
        compared = comparison_json(one.compare(other), one, other)
        if is_latest():
            self.panel.tell("comparison", runs=[one.number, other.number], **compared)

    def _run(self, number: Any) -> Run | None:
        """Return the run with this number; says so if the flow has none any more."""
        if not isinstance(number, int):
            return None
        shown = self.panel.run
        for run in (*self.panel.flow.runs.copy(), *([shown] if shown is not None else [])):
            if run.number == number:
                return run
        kept = self.panel.flow.runs.maxlen
        self.tell(f"Run {number} is not kept any more: the flow keeps the newest {kept}.")
        return None

    def _marks(self) -> list[tuple[Any, ...]]:
        # Of a copy, which is made at one go: a run may be started meanwhile.
        return [(run.number, type(run.state), run.timings.ended_at) for run in self.panel.flow.runs.copy()]


def _tell(part: Runs | None) -> None:
    if part is not None:
        part.panel.guarded(part.tell)
