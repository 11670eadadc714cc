"""The commands of a panel's buttons: each puts a command on a run, or starts one, and returns at once.

Retry, Skip and Undo wait for the run's answer, which may be busy with a task: they do so on a thread of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.engine.given_parameters import GivenParameters
from nbflow.panel.background import Background
from nbflow.panel.controls.bar import Bar
from nbflow.panel.controls.controls import enabled
from nbflow.panel.inspector.actions import perform
from nbflow.panel.inspector.history import state_of
from nbflow.panel.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.panel.widget import Panel


class Commands(Part):
    """The buttons of a panel, and what they do.

    Args:
        panel: The panel.
        options: More keyword arguments of `flow.start`, for the runs started here.
    """

    handles: ClassVar[Mapping[str, str]] = {"press": "_press_with"}

    def __init__(self, panel: Panel, options: Mapping[str, Any]) -> None:
        super().__init__(panel)
        self.background = Background(panel.guarded, "fix")
        self._options = dict(options)
        hold = bool(self._options.pop("hold_on_failure", False))
        self._options.pop("executor", None)  # the form has it
        self.bar = Bar(
            lambda command: panel.guarded(lambda: self.press(command)), lambda: panel.guarded(self._set_hold), hold=hold
        )

    def followed(self, run: Run | None) -> None:
        """Show what can be done with this run."""
        if run is not None and not run.is_finished:
            self.bar.holds.value = run.hold_on_failure
        self.bar.show(run)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Show what can be done now."""
        self.bar.show(run)

    def close(self) -> None:
        """Let nothing count that is still being done."""
        self.background.drop()

    def press(self, command: str) -> None:
        """Carry out the command of a button."""
        self.panel.clear_error()
        run = self.panel.run
        if command == "run":
            self.panel.show(self.start(paused=False))
        elif command in ("step", "step_block"):
            if run is None or run.is_finished:
                run = self.start(paused=True)
                self.panel.show(run)
            run.step(block=command == "step_block", wait=False)
        elif command == "rerun":
            self.panel.plans.ask(self.bar.what.value)
        elif run is not None and command in ("retry", "skip"):
            selection = self.panel.selection()
            self.background.ask(lambda _: self._fix(run, command, *selection))
        elif run is not None and command == "undo":
            self.background.ask(lambda _: run.undo())
        elif run is not None:
            {"resume": run.resume, "pause": run.pause, "cancel": run.cancel}[command]()

    def _press_with(self, message: Json) -> None:
        """Carry out the command of a button that has brought along what was edited."""
        command = str(message.get("command"))
        if enabled(self.panel.run).get(command):  # as when the button itself is pressed
            self.press(command)

    def start(self, *, paused: bool) -> Run:
        """Start a run with the parameters and the executor of the form."""
        given = GivenParameters(self.panel.form.values())
        options = {**self._options, "executor": self.panel.form.executor.option}
        return self.panel.flow.start(given, paused=paused, hold_on_failure=self.bar.holds.value, **options)

    def _fix(self, run: Run, command: str, chosen: Task | None, index: int | None) -> None:
        held = run.held
        task = chosen if chosen in held else next(iter(held), None)
        if task is None:
            return  # somebody else was faster
        state = state_of(run, task, index) if task is chosen and index is not None else None
        child = index if state is not None and state.is_failed() else None  # else the first that is held
        perform(self.panel, run, task, child, {"act": command})

    def _set_hold(self) -> None:
        run = self.panel.run
        if run is not None and not run.is_finished:
            run.hold_on_failure = self.bar.holds.value
