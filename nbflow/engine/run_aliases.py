"""The earlier names of what `Run` offers: they go on working, and no list of names shows them."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from nbflow.engine.run_again import plan_rerun

if TYPE_CHECKING:
    from nbflow.engine.run import Run

_MOVED = {
    "breakpoints": "_control.breakpoints",
    "clear_break": "_control.clear_break",
    "ended_at": "timings.ended_at",
    "executor": "_loop.executor",
    "held_bytes": "facts.held_bytes",
    "is_released": "_execution.is_released",
    "listen": "_record.log.listen",
    "started_at": "timings.started_at",
}
_NOT_WAITING = {"step_nowait": "step", "step_block_nowait": "step_block"}


def alias(run: Run, name: str) -> Any:
    """Return what an earlier name stands for.

    Raises:
        AttributeError: If it is none.
    """
    if name in _MOVED:
        return operator.attrgetter(_MOVED[name])(run)
    if name == "plan_rerun":
        return functools.partial(plan_rerun, run)
    if name in _NOT_WAITING:
        return functools.partial(getattr(run, _NOT_WAITING[name]), wait=False)
    raise AttributeError(f"{type(run).__name__!r} object has no attribute {name!r}", name=name, obj=run)
