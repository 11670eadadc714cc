"""The children of a mapped task as a table, a page at a time, in whatever order is asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.states import Mapped, Running
from nbflow.engine.remote_value import is_reference
from nbflow.panel.background import Background
from nbflow.panel.inspector.ran_on import worker_of
from nbflow.panel.inspector.rich_repr import elsewhere, short
from nbflow.panel.part import Json, Part
from nbflow.render.failures import Failure
from nbflow.render.names import one_line
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run

PAGE = 100
MOST_BY_INPUT = 2_000  # of more children not all inputs are asked for their text
_TEXT = 80
_URGENT = {"Failed": 0, "TimedOut": 0, "Running": 1, "Retrying": 1, "Paused": 1}


class ChildrenTable(Part):
    """Tells `children_rows` when the script asks for `children`: first without inputs, whose reprs are users' code."""

    handles: ClassVar[Mapping[str, str]] = {"children": "_ask"}

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._background = Background(panel.guarded, "children")

    def close(self) -> None:
        """Tell no more."""
        self._background.drop()

    def _ask(self, message: Json) -> None:
        run, key = self.panel.run, message.get("key")
        task = self.panel.picture.task(key) if isinstance(key, str) else None
        page, sort = message.get("page"), message.get("sort")
        if run is None or task is None or not isinstance(page, int) or sort not in SORTS:
            return
        is_down, is_failed_only = message.get("down") is True, message.get("failed") is True

        def work(is_latest: Callable[[], bool]) -> None:
            for with_inputs in (False, True):
                found = rows_of(run, task, sort, is_down, is_failed_only, page, with_inputs=with_inputs)
                if not is_latest() or found is None:
                    return
                self.panel.tell("children_rows", key=key, sort=sort, down=is_down, failed=is_failed_only, **found)

        self._background.ask(work)


def rows_of(
    run: Run, task: Task, sort: str, is_down: bool, is_failed_only: bool, page: int, *, with_inputs: bool = True
) -> Json | None:
    """Return one page of the children of a mapped task; None if it has none.

    `rows` are (index, state, line, seconds, input, error, worker); seconds are those of work, None for one that has not
    begun, the input is None where it was not asked for. `total` is how many rows there are, on `pages`.

    Args:
        run: The run.
        task: The mapped task.
        sort: One of `SORTS`.
        is_down: From the largest to the smallest.
        is_failed_only: Leave out all that have not failed.
        page: From 0; one beyond the last is the last.
        with_inputs: Whether to ask the inputs for their text.
    """
    state = run.states.get(task)
    if not isinstance(state, Mapped):
        return None
    states = list(state.map_states or ())
    chosen = [i for i, one in enumerate(states) if not is_failed_only or (one is not None and one.is_failed())]
    seconds = _seconds(run, task)
    if sort == "input" and not (with_inputs and len(chosen) <= MOST_BY_INPUT):
        key: Callable[[int], Any] = _no_order
    else:
        key = SORTS[sort](run, task, states, seconds)
    chosen.sort(key=key, reverse=is_down)
    pages = max(1, math.ceil(len(chosen) / PAGE))
    page = max(0, min(page, pages - 1))
    rows = [
        [
            index,
            name := state_name(states[index]),
            state_look(name).label,
            seconds.get(index),
            _input(run, task, index) if with_inputs else None,
            _error(task, index, states[index]),
            worker_of(run, task, index),
        ]
        for index in chosen[page * PAGE : (page + 1) * PAGE]
    ]
    return {
        "rows": rows,
        "total": len(chosen),
        "page": page,
        "pages": pages,
        "sortable": len(chosen) <= MOST_BY_INPUT,
    }


def _seconds(run: Run, task: Task) -> dict[int, float]:
    """Return how long each child has worked in its attempts that have ended, in seconds."""
    begun: dict[int, float] = {}
    worked: dict[int, float] = {}
    for event in run.events:
        if event.task is not task or event.map_index is None or event.kind != "task":
            continue
        if type(event.state) is Running:
            begun[event.map_index] = event.time
        elif (start := begun.pop(event.map_index, None)) is not None:
            worked[event.map_index] = round(worked.get(event.map_index, 0.0) + event.time - start, 4)
    return worked


def _input(run: Run, task: Task, index: int) -> str:
    graph = run.graph
    mapped = {edge.key for edge in graph.edges_in[graph.index[task]] if edge.mapped or edge.flattened}
    try:
        values = run._control.held_inputs(task, index)
    except Exception as error:  # noqa: BLE001 - a value that was given back, or whose own code raises
        return one_line(f"({type(error).__name__})", _TEXT)
    found = {key: value for key, value in values.items() if key in mapped}
    texts = {key: (elsewhere if is_reference(value) else short)(value)["text"] for key, value in found.items()}
    if len(texts) == 1:
        return one_line(next(iter(texts.values())), _TEXT)
    return one_line(", ".join(f"{key}={text}" for key, text in texts.items()), _TEXT)


def _error(task: Task, index: int, state: State | None) -> str:
    if state is None or not state.is_failed():
        return ""
    error = None if state.released is not None else state.result
    if not isinstance(error, BaseException):
        return one_line(state.message or "", 200)
    return one_line(Failure(task, index, error).text(), 200)


def _no_order(index: int) -> int:
    return index


def _by_state(run: Run, task: Task, states: Sequence[State | None], seconds: dict[int, float]) -> Callable[[int], Any]:
    ranks = {}
    for index, state in enumerate(states):
        name = state_name(state)
        ranks[index] = (_URGENT.get(name, 2), name, index)
    return ranks.__getitem__


def _by_time(run: Run, task: Task, states: Sequence[State | None], seconds: dict[int, float]) -> Callable[[int], Any]:
    return lambda index: (seconds.get(index, -1.0), index)


def _by_input(run: Run, task: Task, states: Sequence[State | None], seconds: dict[int, float]) -> Callable[[int], Any]:
    texts = {index: _input(run, task, index) for index in range(len(states))}
    return lambda index: (*_number_or_text(texts[index]), index)


def _by_error(run: Run, task: Task, states: Sequence[State | None], seconds: dict[int, float]) -> Callable[[int], Any]:
    texts = {index: _error(task, index, state) for index, state in enumerate(states)}
    return lambda index: (not texts[index], texts[index], index)


def _number_or_text(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text


SORTS: dict[str, Callable[[Run, Task, Sequence[State | None], dict[int, float]], Callable[[int], Any]]] = {
    "index": lambda *_: _no_order,
    "state": _by_state,
    "time": _by_time,
    "input": _by_input,
    "error": _by_error,
}
