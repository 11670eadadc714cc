"""The parameters of the runs started here, as a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.panel.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.panel.panel import Panel


class Form(Part):
    """The parameters of the runs started here, as a form."""

    def __init__(self, panel: Panel, parameters: Mapping[str, Any]) -> None:
        super().__init__(panel)
        self._given = dict(parameters)
        self.box = ipywidgets.VBox()
        self.box.add_class("nbflow-form")

    def values(self) -> dict[str, Any]:
        """Return the values for the next run."""
        return self._given

    def close(self) -> None:
        """Close the widgets."""
        self.box.close()
