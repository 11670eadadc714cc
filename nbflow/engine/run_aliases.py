"""The earlier names of what `Run` offers: they go on working, and no list of names shows them."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

from nbflow.engine.run_again import plan_rerun

if TYPE_CHECKING:
    from nbflow.engine.run import Run

_MOVED = {
    "clear_break": "_control.clear_break",
    "ended_at": "timings.ended_at",
    "executor": "_loop.executor",
    "held_bytes": "facts.held_bytes",
    "is_released": "_execution.is_released",
    "listen": "_record.log.listen",
    "started_at": "timings.started_at",
}
_STEPS = {
    "step_block": {"block": True},
    "step_block_nowait": {"block": True, "wait": False},
    "step_nowait": {"wait": False},
}


def alias(run: Run, name: str) -> Any:
    """Return what an earlier name stands for.

    Raises:
        AttributeError: If it is none.
    """
    if name in _MOVED:
        return operator.attrgetter(_MOVED[name])(run)
    if name == "plan_rerun":
        return functools.partial(plan_rerun, run)
    if name in _STEPS:
        return functools.partial(run.step, **_STEPS[name])
    raise AttributeError(f"{type(run).__name__!r} object has no attribute {name!r}", name=name, obj=run)
