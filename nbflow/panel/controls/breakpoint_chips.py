"""The list of breakpoints below the buttons, told once there are some and whenever they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.engine.breakpoint_list import words_of
from nbflow.panel.part import Json, Part
from nbflow.panel.sanitize import plain
from nbflow.render.names import one_line, safe_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.widget import Panel

_MOST = 40
_TEXT_LIMIT = 120


class BreakpointChips(Part):
    """Tells `breakpoints`: where the run that is shown pauses, or the next one; and forgets one, or all."""

    handles: ClassVar[Mapping[str, str]] = {"clear_breakpoints": "_clear"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._told: Json = _listed(())

    def followed(self, run: Run | None) -> None:
        """Another run is shown."""
        self.panel.guarded(self.tell)

    def ended(self, run: Run) -> None:
        """Its own breakpoints are gone; those of the flow stay."""
        self.panel.guarded(self.tell)

    def retell(self) -> None:
        """Tell it once more: a script has come that did not hear it."""
        if self._told["total"]:
            self.panel.tell("breakpoints", **self._told)

    def tell(self) -> None:
        """Tell the list if it is another one than was told last."""
        told = _listed(_rows(self.panel.flow, self.panel.run))
        if told != self._told:
            self._told = told
            self.panel.tell("breakpoints", **told)

    def _clear(self, message: Json) -> None:
        """Forget those of the task with this key, or all without one."""
        flow, run, key = self.panel.flow, self.panel.run, message.get("key")
        for one in (flow.breakpoints, *([] if run is None or run.is_finished else [run.breakpoints])):
            for task in list(one):
                if key is None or _key(flow, run, task) == key:
                    one.clear(task)
        self.panel.cell_ended()


def _rows(flow: Flow, run: Run | None) -> list[tuple[str, str, str]]:
    """Return key, name and words of each breakpoint."""
    found = flow.breakpoints if run is None or run.is_finished else run.breakpoints
    return [
        (_key(flow, run, task), one_line(task.name, 60), plain(words_of(one, one_line(task.name, 60)), _TEXT_LIMIT))
        for task, places in found.items()
        for one in places
    ]


def _key(flow: Flow, run: Run | None, task: Task) -> str:
    slug = flow.slugs.get(task) or ("" if run is None else run.graph.slugs.get(task, ""))
    return safe_key(slug)


def _listed(rows: Any) -> Json:
    shown = [{"key": key, "name": name, "text": text} for key, name, text in rows[:_MOST]]
    return {"total": len(rows), "rows": shown}
