"""The list of the flow's runs, and two of them side by side."""

from __future__ import annotations

from nbflow.panel.part import Part


class Runs(Part):
    """The list of the flow's runs, and two of them side by side."""
