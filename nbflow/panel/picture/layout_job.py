"""One drawing of a panel, laid out and written down: what takes seconds and is done on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.errors import RenderError
from nbflow.render.build import draw
from nbflow.render.layout import lay_out
from nbflow.render.svg import svg
from nbflow.render.text import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.render.build import GraphLike
    from nbflow.render.drawing import Drawing
    from nbflow.render.folding import Foldable
    from nbflow.render.layout import Layout

# Beyond these, laying out takes many seconds and nobody finds anything in the result.
MOST_NODES, _MOST_LINES = 1_500, 500

PENDING: dict[str, Any] = {"svg": "", "problem": "", "pending": True, "shown": {}, "folds": {}}


class TooLargeError(RenderError):
    """A drawing would have more nodes than anybody can look at."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"a picture of {self.count:,} nodes would be too large (at most {MOST_NODES:,} are drawn)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A drawing with its layout, None where nothing can draw, and what the script gets of it."""

    foldable: Foldable
    drawing: Drawing
    layout: Layout | None
    json: dict[str, Any]


def make_sheet(
    graph: GraphLike,
    foldable: Foldable,
    *,
    wishes: Mapping[str, bool],
    children: Mapping[Task, int],
    prefix: str,
    is_first: bool,
) -> Sheet:
    """Draw `graph` folded as it is wished, without any state; where nothing can draw, say the same in text.

    Args:
        graph: The graph.
        foldable: What of it can be folded.
        wishes: What is folded otherwise than at the start.
        children: Of how many children each unfolded map is drawn.
        prefix: The start of every id.
        is_first: Whether there is no drawing to keep if this one would be too large.

    Raises:
        TooLargeError: If it would have too many nodes, and is not the first.
    """
    drawing = draw(graph, fold=foldable.folding(wishes), children=children)
    json = {**PENDING, "pending": False, "folds": foldable.of(drawing)}
    try:
        if len(drawing.nodes) > MOST_NODES:
            raise TooLargeError(len(drawing.nodes))
        layout = lay_out(drawing, with_lines=True)
        json["svg"] = svg(drawing, {}, css=False, prefix=prefix, layout=layout)
    except RenderError as error:
        if isinstance(error, TooLargeError) and not is_first:
            raise
        lines = text(drawing).split("\n")
        more = [f"... and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        json["problem"] = "\n".join([f"{error}\n", *lines[:_MOST_LINES], *more])
        return Sheet(foldable=foldable, drawing=drawing, layout=None, json=json)
    return Sheet(foldable=foldable, drawing=drawing, layout=layout, json=json)
