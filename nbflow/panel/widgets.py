"""The two live parts of a panel as widgets: `head` (state, progress, resources) and `body` (all the rest).

The body holds the picture and the snapshot; the head listens to the body's messages in the browser, so that a
change is sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nbflow.panel.js_bundle import script, style_sheet

if TYPE_CHECKING:
    from nbflow.panel.part import Json


class Body(anywidget.AnyWidget):
    """The views, the list of tasks and the inspector.

    `snapshot` is kept up to date in place, which sends nothing: whoever asks for the widget's state, such as a
    reloaded page, gets the latest; those who have it get patches. Its parts are replaced, never changed: another thread
    may be sending them.
    """

    _esm = script("body")
    _css = style_sheet()
    picture = traitlets.Dict().tag(sync=True)
    drawing = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    patches = 0  # so many were sent since all of it was shown

    def show(self, picture: Json, drawing: Json, snapshot: Json) -> None:
        """Draw again: another graph, or another run."""
        with self.hold_sync():
            self.picture = picture
            self.drawing = drawing
            self.snapshot = snapshot
            self.patches = 0

    def patch(self, patch: Json) -> None:
        """Send what changed, as one message."""
        self.patches += 1
        snapshot: dict[str, Any] = self.snapshot
        snapshot["head"] = patch["head"]
        for part in ("nodes", "clusters", "rows", "spans", "bars"):
            if patch[part]:
                snapshot[part] = {**snapshot[part], **patch[part]}
        self.send({"kind": "patch", "patch": patch})


class Head(anywidget.AnyWidget):
    """The flow's name, the run's state, progress, open resources and errors.

    `beside` is true once it is known that messages are handled on another thread than the one that executes cells:
    clicks then count however long a cell takes.
    """

    _esm = script("head")
    body = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)
    beside = traitlets.Bool().tag(sync=True)
