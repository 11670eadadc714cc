"""What is known of the selected task, told to the inspector, and what its buttons do."""

from __future__ import annotations

from nbflow.panel.part import Part


class Inspector(Part):
    """What is known of the selected task, told to the inspector, and what its buttons do."""
