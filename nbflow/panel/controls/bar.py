"""The bar of buttons as widgets: in groups, with the choice of what to run again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.panel.controls.controls import CHOICES, CONTROLS, Control, enabled

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.run import Run


class Bar:
    """The buttons of a panel.

    Args:
        press: Called with a button's command when it is pressed.
        turn: Called when Hold on failure was turned on or off.
        hold: Whether it is on at first.

    Attributes:
        buttons: The buttons by their commands.
        holds: The button that stays pressed, Hold on failure.
        what: The choice of what Rerun runs again.
        box: All of them, to be shown.
    """

    def __init__(self, press: Callable[[str], None], turn: Callable[[], None], *, hold: bool) -> None:
        self.buttons = {control.command: _button(control, press) for control in CONTROLS}
        self.holds = ipywidgets.ToggleButton(
            value=hold,
            description="Hold on failure",
            icon="hand-paper-o",
            tooltip="Pause where a task fails, with the resources open (H)",
            layout=ipywidgets.Layout(width="auto"),
        )
        self.holds.add_class("nbflow-button").add_class("nbflow-command-hold")
        self.holds.observe(lambda _: turn(), "value")
        self.what = ipywidgets.Dropdown(
            options=CHOICES, value="all", description="What to rerun", layout=ipywidgets.Layout(width="auto")
        )
        self.what.add_class("nbflow-what")
        for widget in self.inputs:
            widget.add_class(f"nbflow-field-{widget.model_id}")
        self._suggested: object = None
        groups: list[Any] = []
        for name, controls in itertools.groupby(CONTROLS, key=lambda control: control.group):
            beside = {"fix": [self.holds], "again": [self.what]}.get(name, [])
            group = ipywidgets.HBox([*(self.buttons[control.command] for control in controls), *beside])
            groups.append(group.add_class("nbflow-group"))
        self.box = ipywidgets.HBox(groups).add_class("nbflow-controls")

    @property
    def inputs(self) -> list[Any]:
        """The choices that a user makes for a run to come."""
        return [self.holds, self.what]

    def show(self, run: Run | None) -> None:
        """Let those buttons be pressed that make sense now; suggest what to rerun once a run is over."""
        for command, possible in enabled(run).items():
            button = self.buttons[command]
            if button.disabled is possible:
                button.disabled = not possible
        if self.what.disabled is (run is not None):
            self.what.disabled = run is None
        if run is not None and run.is_finished and self._suggested != run.id:
            self._suggested = run.id  # once: what the user chooses then, stays
            self.what.value = "failed" if run.state.is_failed() else "all"


def _button(control: Control, press: Callable[[str], None]) -> Any:
    button = ipywidgets.Button(
        description=control.label,
        icon=control.icon,
        tooltip=control.tooltip,
        button_style=control.style,
        layout=ipywidgets.Layout(width="auto"),
    )
    button.on_click(lambda _: press(control.command))
    return button.add_class("nbflow-button").add_class(f"nbflow-command-{control.command}")
