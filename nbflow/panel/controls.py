"""Which buttons a panel has, and when each of them can be pressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.handle import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A button: its command, what it says, and when it can be pressed.

    `when` holds the situations, see `situations`.
    """

    command: str
    label: str
    icon: str
    hint: str
    when: frozenset[str]
    style: str = ""


def _control(command: str, label: str, icon: str, hint: str, when: str, style: str = "") -> Control:
    return Control(
        command=command, label=label, icon=icon, hint=hint, when=frozenset(when.split()), style=style
    )


CONTROLS = (
    _control("run", "Run", "play", "Run the flow", "new over", "primary"),
    _control("step", "Step", "step-forward", "Run one task and stand still", "new held over"),
    _control("resume", "Resume", "forward", "Go on to the end", "held"),
    _control("retry", "Retry", "wrench", "Run the failed task again, as it is defined now", "failed"),
    _control("skip", "Skip", "share", "Leave the task out at which the run stands still", "stuck"),
    _control("pause", "Pause", "pause", "Stand still after the running tasks, resources stay open", "going"),
    _control("cancel", "Cancel", "stop", "Stop, clean up and end the run", "going held", "danger"),
    _control("rerun", "Rerun", "repeat", "Run again with the same parameters", "over"),
)


def situations(run: Run | None) -> frozenset[str]:
    """Return `new` (never run), `going`, `held` (stands still, resources open) or `over`, and what goes with it.

    `stuck` is held at a task, `failed` at one that failed.
    """
    if run is None:
        return frozenset({"new"})
    if run.is_finished:
        return frozenset({"over"})
    if not run.is_paused:
        return frozenset({"going"})
    held = run.held
    failed = any(run.states[task].is_failed() or run.states[task].is_mapped() for task in held)
    return frozenset({"held", *(["stuck"] if held else []), *(["failed"] if failed else [])})


def enabled(run: Run | None) -> Mapping[str, bool]:
    """Tell for each command whether it makes sense now."""
    now = situations(run)
    return {control.command: not now.isdisjoint(control.when) for control in CONTROLS}
