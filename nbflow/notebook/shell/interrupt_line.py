"""The stop button's word: one line that says what it left, in place of a traceback of the lines that waited.

The error is KeyboardInterrupt as ever, so the cell counts as interrupted and "Run all" stops there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.engine.events import warn_safely
from nbflow.engine.open_resources import BlockStatus
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.engine.execution import Execution

_LEFT = (BlockStatus.OPENING, BlockStatus.OPEN, BlockStatus.CLOSING, BlockStatus.LEAKED)
_MOST = 5


@dataclass(frozen=True)
class InterruptLine:
    """Shows an interrupt as one line; IPython asks the error for it."""

    text: str

    def __call__(self) -> list[str]:
        """Return the line."""
        return [self.text]


def say_what_is_left(execution: Execution, error: KeyboardInterrupt) -> None:
    """Have an interrupt say how the run ended that was waited for, and whether everything is cleaned up."""
    try:
        error._render_traceback_ = InterruptLine(_text(execution))  # type: ignore[attr-defined]
    except Exception as problem:  # noqa: BLE001 - its traceback is shown then
        warn_safely(f"what the interrupt left cannot be said: {problem!r}")


def _text(execution: Execution) -> str:
    graph, record = execution.loop.graph, execution.record
    statuses = {block: record.open_resources.status(block) for block in graph.blocks}
    state = type(record.state).__name__
    left = [one_line(block.name, 60) for block, status in statuses.items() if status in _LEFT]
    kept = [one_line(block.name, 60) for block, status in statuses.items() if status is BlockStatus.KEPT]
    if left:
        outcome = f"still open, or not cleaned up: {_named(left)}; %flow resources lists what is left"
    elif BlockStatus.CLEANED in statuses.values():
        outcome = "everything that was set up is cleaned up"
    else:
        outcome = "nothing was set up that is left"
    if kept:
        outcome += f"; kept open as asked: {_named(kept)}"
    how = state if execution.is_over else f"still {state}"
    return f"interrupted; {outcome}; run {execution.number} of {one_line(graph.name, 60)} is {how}"


def _named(names: list[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")
