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

    `when` holds the situations, see `situation`.
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
    _control("pause", "Pause", "pause", "Stand still after the running tasks, resources stay open", "going"),
    _control("cancel", "Cancel", "stop", "Stop, clean up and end the run", "going held", "danger"),
    _control("rerun", "Rerun", "repeat", "Run again with the same parameters", "over"),
)


def situation(run: Run | None) -> str:
    """Return `new` (never run), `going`, `held` (stands still, resources open) or `over`."""
    if run is None:
        return "new"
    if run.is_finished:
        return "over"
    return "held" if run.is_paused else "going"


def enabled(run: Run | None) -> Mapping[str, bool]:
    """Tell for each command whether it makes sense now."""
    now = situation(run)
    return {control.command: now in control.when for control in CONTROLS}
