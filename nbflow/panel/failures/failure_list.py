"""The list of a run's failures, with equal errors together, told once there is one and whenever it changes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.states import Mapped, State
from nbflow.panel.background import Background
from nbflow.panel.part import Json, Part
from nbflow.panel.sanitize import plain
from nbflow.panel.throttle import Throttle
from nbflow.render.failure_groups import FailureGroup, grouped, left_out, report
from nbflow.render.failures import Failure, failures
from nbflow.render.names import one_line, safe_key
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

INTERVAL_S = 1.0  # of a map that fails as a whole, each look goes through all its children
_GROUPS, _CHIPS = 40, 24
_REPORT_LIMIT = 1_000_000


class FailureList(Part):
    """Tells `failures`, and `failures_text` with all of them for the clipboard when it is asked for."""

    handles: ClassVar[Mapping[str, str]] = {"copy_failures": "_copy"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._told: Json = _NONE
        self._background = Background(panel.guarded, "failures")
        weak = weakref.ref(self)  # a timer keeps no panel alive
        self._news = Throttle(lambda _: _tell(weak()), interval_s=INTERVAL_S)

    def followed(self, run: Run | None) -> None:
        """Another run is shown: what failed in it is to be told at once."""
        self.panel.guarded(self.tell)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Look again soon, if something has failed, or had."""
        if self._told["total"] or any(_has_failed(run.states.get(key)) for key in keys):  # type: ignore[call-overload]
            self._news.mark("failures")

    def ended(self, run: Run) -> None:
        """Tell all there is."""
        self.panel.guarded(self.tell)

    def close(self) -> None:
        """Tell no more."""
        self._news.close()
        self._background.drop()

    def retell(self) -> None:
        """Tell it once more: a script has come that did not hear it."""
        if self._told["total"]:
            self.panel.tell("failures", **self._told)

    def tell(self) -> None:
        """Tell the list if it is another one than was told last."""
        run = self.panel.run
        found = _NONE if run is None else _list_of(run)
        if found != self._told:
            self._told = found
            self.panel.tell("failures", **found)

    def _copy(self, message: Json) -> None:
        run = self.panel.run
        if run is not None:  # aside: tracebacks of users' errors may take their time
            self._background.ask(
                lambda is_latest: self.panel.tell("failures_text", text=plain(report(run), _REPORT_LIMIT))
            )


_NONE: Json = {"total": 0, "kinds": 0, "left_out": 0, "groups": []}


def _list_of(run: Run) -> Json:
    states = dict(run.states)
    found = failures(states)
    if not found:
        return _NONE
    groups = grouped(found)
    return {
        "total": len(found),
        "kinds": len(groups),
        "left_out": left_out(states),
        "groups": [_group(run, group) for group in groups[:_GROUPS]],
    }


def _group(run: Run, group: FailureGroup) -> Json:
    kind, _, said = group.first.text().partition(": ")
    chips: list[Any] = []
    for task, index in group.places[:_CHIPS]:
        state = run.states.get(task)
        if index is not None and isinstance(state, Mapped):
            state = state.map_states[index]
        name = state_name(state)
        shown = one_line(Failure(task, index, group.first.error).name, 60)
        chip = {"key": safe_key(run.graph.slugs[task]), "name": shown, "state": name, "line": state_look(name).label}
        chips.append([chip, index])
    return {
        "type": kind,
        "message": said,
        "place": one_line(group.first.place(), 300),
        "size": group.size(),
        "count": group.count,
        "chips": chips,
    }


def _has_failed(state: State | None) -> bool:
    return state is not None and (state.is_failed() or isinstance(state, Mapped))


def _tell(part: FailureList | None) -> None:
    if part is not None:
        part.panel.guarded(part.tell)
