"""Which blocks, groups and maps of the drawing are folded: the script asks, the canvas draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped
from nbflow.panel.part import Part
from nbflow.panel.picture.graph_view import MOST_CHILDREN
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run


class Folds(Part):
    """Folds and unfolds what the script names; it stays so in the next run of the flow.

    `{kind: "fold", key, folded}` is about one block (`block--KEY`), group (`group--KEY`) or mapped task (the key of
    its row), `{kind: "fold_all", folded}` about all blocks and groups; folding all folds the maps, too.
    """

    handles = {"fold": "_fold", "fold_all": "_fold_all"}

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Draw the children of an unfolded map when it has got them."""
        graph_view = self.panel.graph_view
        if any(not is_folded for is_folded in graph_view.wishes.values()):
            graph_view.redraw_maps()

    def _fold(self, message: dict[str, Any]) -> None:
        key, is_folded = str(message.get("key", "")), bool(message.get("folded"))
        foldable = self.panel.graph_view.foldable
        task = foldable.maps.get(key)
        if task is None and key not in foldable.blocks and key not in foldable.groups:
            return  # of another drawing: it has been replaced meanwhile
        if task is not None and not is_folded and not self._can_unfold(task):
            return
        self.panel.graph_view.fold({key: is_folded})

    def _can_unfold(self, task: Task) -> bool:
        run = self.panel.run
        state = run.states.get(task) if run is not None else None
        count = len(state.map_states) if isinstance(state, Mapped) else 0
        name = one_line(task.name, 60)
        if not count:
            self.panel.tell("problem", text=f"{name} has no children yet: they are made when it runs")
        elif count > MOST_CHILDREN:
            self.panel.tell("problem", text=f"the first {MOST_CHILDREN} of {count:,} children of {name} are drawn")
        return count > 0

    def _fold_all(self, message: dict[str, Any]) -> None:
        is_folded = bool(message.get("folded"))
        foldable = self.panel.graph_view.foldable
        keys = [*foldable.blocks, *foldable.groups, *(foldable.maps if is_folded else ())]
        self.panel.graph_view.fold(dict.fromkeys(keys, is_folded))
