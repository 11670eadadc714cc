"""Which blocks, groups and maps of the drawing are folded."""

from __future__ import annotations

from nbflow.panel.part import Part


class Folds(Part):
    """Which blocks, groups and maps of the drawing are folded."""
