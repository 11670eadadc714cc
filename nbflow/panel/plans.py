"""Reruns with their plan shown before they are started."""

from __future__ import annotations

from nbflow.panel.part import Part


class Plans(Part):
    """Reruns with their plan shown before they are started."""

    def ask(self, what: str) -> None:
        """Show what a rerun would do."""
        run = self.panel.run
        if run is not None:
            self.panel.show(run.rerun())
