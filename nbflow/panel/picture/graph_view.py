"""What the body of a panel shows: rows at once, their drawing as soon as it is laid out, then what changes.

Patches, drawings and other runs come on different threads, so one lock is held while any of them is told; layouts
are made outside of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbflow.core.states import Mapped
from nbflow.panel.picture.drawing_marks import DrawingMarks
from nbflow.panel.picture.layout_job import PENDING, Sheet, TooLargeError, make_sheet
from nbflow.panel.picture.layout_thread import LayoutThread
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.render.build import foldable
from nbflow.render.folding import Foldable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.widgets import Body
    from nbflow.render.build import GraphLike

# So many children of a mapped task are drawn one by one.
MOST_CHILDREN = 100


class GraphView:
    """Shows graphs, runs of them, and drawings of them that are folded as it is wished.

    Args:
        body: The widget.
        guarded: Calls a function and shows what it raises.
        on_problem: Takes a sentence for the user.
        on_drawn: Called when a drawing was sent, on the thread that made it.
    """

    def __init__(
        self,
        body: Body,
        *,
        guarded: Callable[[Callable[[], object]], None],
        on_problem: Callable[[str], None],
        on_drawn: Callable[[], None],
    ) -> None:
        self._body = body
        self._guarded = guarded
        self._on_problem = on_problem
        self._on_drawn = on_drawn
        self._telling = threading.RLock()
        self._layout_thread = LayoutThread()
        self._prefix = f"nbflow-{body.model_id[:8]}"
        self._run: Run | None = None
        self._wished: dict[str, bool] = {}
        self._drawn_as: dict[str, bool] = {}
        self._unfolded: dict[Task, int] = {}  # the maps for whose children a drawing was asked for last
        self._is_closed = False
        self._picture: Picture | None = None
        self.sheet: Sheet | None = None

    @property
    def picture(self) -> Picture:
        """What is shown, as data."""
        assert self._picture is not None, "nothing has been shown yet"
        return self._picture

    @property
    def latest(self) -> tuple[Run | None, Sheet | None]:
        """The run that is shown, and the drawing of its graph if there is one yet."""
        with self._telling:
            return self._run, self.sheet

    @property
    def foldable(self) -> Foldable:
        """What of the drawing can be folded; nothing as long as there is none."""
        return self.sheet.foldable if self.sheet is not None else Foldable()

    def show(self, graph: GraphLike, run: Run | None) -> None:
        """Show `run` of `graph` whole, or the graph alone; what was drawn of the same graph is kept."""
        with self._telling:
            self._run = run
            if self._picture is not None and self._picture.shows(graph):
                self._body.snapshot = self._picture.snapshot(run)
                return
            self._picture, self.sheet = Picture(graph), None
            self._body.show(self.picture.names(), PENDING, self.picture.snapshot(run))
        self._redraw()

    def patch(self, run: Run, keys: Iterable[object]) -> None:
        """Tell how what has changed looks now."""
        with self._telling:
            self._body.patch(self.picture.patch(run, keys))

    def look_for_changes(self, flow: Flow, run: Run | None) -> None:
        """Tell what has become stale, edited, pinned or a breakpoint since the last time."""
        with self._telling:
            changed = self.picture.look_for_changes(flow, run)
            if changed is not None:
                self._body.patch(self.picture.patch(run, changed))

    def retell(self) -> None:
        """Tell all of it again, to a page that may have missed what was told while it was being opened."""
        with self._telling:
            if self._picture is None:
                return
            missed = self.picture.everything() if self._body.patches else ()
            self._body.patch({**self.picture.patch(self._run, missed), **self.picture.times()})

    # Folding

    @property
    def wishes(self) -> Mapping[str, bool]:
        """What is to be folded (True) or unfolded otherwise than at the start, by key."""
        return self._wished

    def fold(self, wishes: Mapping[str, bool]) -> None:
        """Fold and unfold as well what `wishes` says; the drawing follows."""
        with self._telling:
            self._wished = {**self._wished, **wishes}
        self._redraw()

    def redraw_maps(self) -> None:
        """Draw again if there are now more or fewer children of an unfolded map than are drawn."""
        with self._telling:
            shown = self.picture.shown
            wanted = _children(self.foldable, self._wished, self._run)
            if shown is None or wanted == self._unfolded:
                return
            self._unfolded = wanted
        if any(shown.children_of(task) not in (None, n) for task, n in wanted.items()):
            self._redraw()

    # Drawing

    def wait_drawn(self, timeout_s: float | None = None) -> bool:
        """Wait until what is wished for is drawn, and tell whether it is."""
        return self._layout_thread.wait(timeout_s)

    def later(self, job: Callable[[], object]) -> None:
        """Do `job` when everything is drawn, on the same thread; of several that wait, only the last."""
        self._layout_thread.wish("after", lambda: self._guarded(job))

    def close(self) -> None:
        """Draw no more; what is being drawn is thrown away."""
        with self._telling:
            self._is_closed = True
        self._layout_thread.forget()

    def _redraw(self) -> None:
        self._layout_thread.wish("draw", lambda: self._guarded(self._draw))

    def _draw(self) -> None:
        with self._telling:
            picture, run, wishes, former = self.picture, self._run, self._wished, self.sheet
        parts = foldable(picture.graph) if former is None else former.foldable
        try:
            sheet = self._make(picture, parts, wishes, run, is_first=former is None and not wishes)
        except TooLargeError as error:
            self._on_problem(f"{error}; it stays as it is")
            with self._telling:
                if self._wished is wishes:  # else another wish is drawn next
                    self._wished = self._drawn_as if former is not None else {}
            if former is not None:
                return
            wishes = {}
            sheet = self._make(picture, parts, wishes, run, is_first=True)
        shown = DrawingMarks(sheet.drawing)
        with self._telling:
            if picture is not self._picture or self._is_closed:
                return
            self._put_up(sheet, shown, wishes)
        self._on_drawn()

    def _make(
        self, picture: Picture, parts: Foldable, wishes: dict[str, bool], run: Run | None, *, is_first: bool
    ) -> Sheet:
        children = _children(parts, wishes, run)
        return make_sheet(
            picture.graph, parts, wishes=wishes, children=children, prefix=self._prefix, is_first=is_first
        )

    def _put_up(self, sheet: Sheet, shown: DrawingMarks, wishes: dict[str, bool]) -> None:
        self.sheet, self._drawn_as = sheet, wishes
        look = self.picture.show(shown, self._run)
        # The rows stay, and with them what the script has made of them: only the drawing is another, and its marks.
        self._body.drawing = {**sheet.json, "shown": shown.places(self.picture.rows)}
        self._body.snapshot.update(nodes={}, clusters={})
        self._body.patch({**self.picture.patch(self._run, ()), **look})


def _children(parts: Foldable, wishes: Mapping[str, bool], run: Run | None) -> dict[Task, int]:
    """Return of how many children each map is to be drawn that is unfolded and has any."""
    found: dict[Task, int] = {}
    for key, is_folded in wishes.items():
        task = parts.maps.get(key)
        if task is not None and not is_folded and run is not None:
            state = run.states.get(task)
            count = len(state.map_states or ()) if isinstance(state, Mapped) else 0
            if count:
                found[task] = min(count, MOST_CHILDREN)
    return found
