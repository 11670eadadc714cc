"""What of a drawing is folded: blocks, groups of tasks with one name, and mapped tasks.

All of them are named by keys: `block--KEY` with the key of the block's init task, `group--KEY` with the key of the
first task of the group, and a mapped task by its own key. Keys are those of the task's slugs, so what was folded in
one run can be folded in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.render.drawing import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """Which blocks and groups are folded, by key; keys of which a graph has nothing are passed over."""

    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foldable:
    """Everything of a graph that can be folded or unfolded.

    Attributes:
        blocks: The blocks by key.
        groups: The tasks of each group by key, the one that it is named after first.
        maps: The mapped tasks by key; they are folded unless their children are drawn.
        start: What a drawing folds by itself ("auto").
    """

    blocks: Mapping[str, Block] = field(default_factory=dict)
    groups: Mapping[str, tuple[Task, ...]] = field(default_factory=dict)
    maps: Mapping[str, Task] = field(default_factory=dict)
    start: frozenset[str] = frozenset()

    def folding(self, wishes: Mapping[str, bool]) -> Folding:
        """Return what is folded at the start, less and more what is wished for."""
        folded = {key for key, is_folded in wishes.items() if is_folded}
        return Folding(keys=(self.start - wishes.keys()) | folded)

    def of(self, drawing: Drawing) -> dict[str, bool]:
        """Tell for everything that shows in a drawing whether it is folded (True) or can be (False).

        An open block is a box. An open group or map shows by its first task or child.
        """
        found: dict[str, bool] = {}
        for keys in (self.blocks, self.groups, self.maps):
            for key in keys:
                if key in drawing.nodes:
                    found[key] = True
                elif key in drawing.clusters or _first_of(key, drawing.nodes) is not None:
                    found[key] = False
        return found


def _first_of(key: str, nodes: Collection[str]) -> str | None:
    """Return the key of the node that an open group or map begins with."""
    places = (key.removeprefix("group--"),) if key.startswith("group--") else (f"{key}--0",)
    return next((place for place in (*places, f"{places[0]}--0") if place in nodes), None)
