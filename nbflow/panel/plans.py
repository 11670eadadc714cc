"""Reruns with their plan shown before they are started."""

from __future__ import annotations

from nbflow.panel.part import Part


class Plans(Part):
    """Reruns with their plan shown before they are started."""
