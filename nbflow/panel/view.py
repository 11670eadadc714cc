"""The two live parts of a panel as widgets: `head` (state, progress, resources) and `body` (graph, table).

Both run the one script `static/panel.js`. The body holds the picture and the snapshot; the head listens to the
body's messages in the browser, so that a change is sent once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nbflow.errors import RenderError
from nbflow.render.svg import drawing_css, svg
from nbflow.render.text import text

if TYPE_CHECKING:
    from nbflow.panel.picture import Json, Picture
    from nbflow.render.build import GraphLike

_STATIC = Path(__file__).parent / "static"
_SCRIPT = (_STATIC / "panel.js").read_text(encoding="utf-8")
_STYLE = drawing_css() + "\n" + (_STATIC / "panel.css").read_text(encoding="utf-8")


class Body(anywidget.AnyWidget):
    """The graph and the table.

    `snapshot` is kept up to date in place, which sends nothing: whoever asks for the widget's state, such as a
    reloaded page, gets the latest; those who have it get patches.
    """

    _esm = _SCRIPT
    _css = _STYLE
    part = traitlets.Unicode("body").tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)

    def show(self, picture: Json, snapshot: Json) -> None:
        """Draw anew: another graph, or another run."""
        with self.hold_sync():
            self.picture = picture
            self.snapshot = snapshot

    def patch(self, patch: Json) -> None:
        """Send what changed, as one message."""
        snapshot: dict[str, Any] = self.snapshot
        snapshot["head"] = patch["head"]
        for part in ("nodes", "clusters", "rows"):
            snapshot[part].update(patch[part])
        self.send({"kind": "patch", "patch": patch})


class Head(anywidget.AnyWidget):
    """The flow's name, the run's state, progress, open resources and errors."""

    _esm = _SCRIPT
    _css = _STYLE
    part = traitlets.Unicode("head").tag(sync=True)
    body = traitlets.Unicode().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)


def picture_json(picture: Picture, graph: GraphLike, prefix: str) -> Json:
    """Draw `picture` as it is before any state; where nothing can draw, say the same in text."""
    try:
        drawn, problem = svg(picture.drawing, {}, css=False, prefix=prefix), ""
    except RenderError as error:
        drawn, problem = "", f"{error}\n\n{text(graph)}"
    return {"svg": drawn, "problem": problem, "rows": picture.rows()}
