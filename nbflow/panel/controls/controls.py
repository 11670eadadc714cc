"""The buttons of a panel, and when each of them can be pressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.engine.refusal import refusal, why_not_undone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.run import Run


@dataclass(frozen=True, slots=True)
class Control:
    """A button: its command, what it says, and when it can be pressed.

    Attributes:
        group: Which buttons it stands with.
        command: What it does; its element has the class `nbflow-command-COMMAND`.
        label: Its name.
        icon: Its icon, of Font Awesome.
        hint: What it does, in a sentence.
        when: The situations in which it can be pressed, see `situations`, with spaces between them.
        key: The key that presses it, as `static/keys.mjs` has it.
        style: The kind of button, of ipywidgets.
    """

    group: str
    command: str
    label: str
    icon: str
    hint: str
    when: str
    key: str = ""
    style: str = ""

    @property
    def tooltip(self) -> str:
        """The hint, and the key that does the same."""
        return f"{self.hint} ({self.key})" if self.key else self.hint


CONTROLS = (
    Control("go", "run", "Run", "play", "Run the flow", "new over", "R", "primary"),
    Control("go", "resume", "Resume", "forward", "Go on to the end", "held", "G"),
    Control("go", "pause", "Pause", "pause", "Start no more tasks; resources stay open", "going", "P"),
    Control("go", "cancel", "Cancel", "stop", "Stop, clean up and end the run", "going held", "Shift+C", "danger"),
    Control("step", "step", "Step", "step-forward", "Run one task and pause again", "new held over", "S"),
    Control(
        "step", "step_block", "Step block", "cube",
        "Run to the end of the block that is open, or opens next", "new held over", "B",
    ),
    Control("fix", "retry", "Retry", "wrench", "Run the failed task again, as it is defined now", "retry", "T"),
    Control("fix", "skip", "Skip", "share", "Leave out the task at which the run is paused", "skip", "K"),
    Control("fix", "undo", "Undo", "undo", "Take back what was skipped or set last", "undo", "U"),
    Control("again", "rerun", "Rerun", "repeat", "Show what a rerun would do", "going held over", "Shift+R"),
)  # fmt: skip

# What can be run again, in the words of the choice beside Rerun.
CHOICES = (
    ("what failed", "failed"),
    ("what is stale", "stale"),
    ("from the selected task", "from"),
    ("everything", "all"),
)


def situations(run: Run | None) -> frozenset[str]:
    """Return `new` (never run), `going`, `held` (paused, resources open) or `over`, and what goes with it.

    `retry` and `skip`: a task at which it is held may be given that command. `undo`: something can be undone.
    """
    if run is None:
        return frozenset({"new"})
    if run.is_finished:
        return frozenset({"over"})
    if not run.is_paused:
        return frozenset({"going"})
    held = run.held
    open_to = [name for name in ("retry", "skip") if any(not refusal(run, name, task) for task in held)]
    undo = () if why_not_undone(run) else ("undo",)
    return frozenset({"held", *open_to, *undo})


def enabled(run: Run | None) -> Mapping[str, bool]:
    """Tell for each command whether it makes sense now."""
    now = situations(run)
    return {control.command: not now.isdisjoint(control.when.split()) for control in CONTROLS}
