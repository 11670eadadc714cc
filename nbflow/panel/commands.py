"""What the buttons of a panel do: each puts a command on a run, or starts one, and returns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.panel.bar import Bar
from nbflow.panel.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.handle import Run
    from nbflow.panel.panel import Panel


class Commands(Part):
    """The buttons of a panel, and what they do.

    Args:
        panel: The panel.
        options: More keyword arguments of `flow.start`, for the runs started here.
    """

    def __init__(self, panel: Panel, options: Mapping[str, Any]) -> None:
        super().__init__(panel)
        self._options = dict(options)
        hold = bool(self._options.pop("hold_on_failure", False))
        self.bar = Bar(
            lambda command: panel.guarded(lambda: self.press(command)),
            lambda: panel.guarded(self._set_hold),
            hold=hold,
        )

    def followed(self, run: Run | None) -> None:
        """Show what can be done with this run."""
        if run is not None and not run.is_finished:
            self.bar.holds.value = run.hold_on_failure
        self.bar.show(run)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Show what can be done now."""
        self.bar.show(run)

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
            (run.step_nowait if command == "step" else run.step_block_nowait)()
        elif command == "rerun":
            self.panel.plans.ask(self.bar.what.value)
        elif run is not None and command in ("retry", "skip"):
            self._mend(run, command)
        elif run is not None:
            {"resume": run.resume, "pause": run.pause, "cancel": run.cancel}[command]()

    def start(self, *, paused: bool) -> Run:
        """Start a run with the parameters of the form."""
        return self.panel.flow.start(
            self.panel.form.values(), paused=paused, hold_on_failure=self.bar.holds.value, **self._options
        )

    def _mend(self, run: Run, command: str) -> None:
        held = run.held
        chosen = self.panel.selected_task()
        task: Task | None = chosen if chosen in held else next(iter(held), None)
        if task is None:
            return  # somebody else was faster
        if command == "retry":
            run.retry(task, wait=False)
        else:
            run.skip(task)

    def _set_hold(self) -> None:
        run = self.panel.run
        if run is not None and not run.is_finished:
            run.hold_on_failure = self.bar.holds.value
