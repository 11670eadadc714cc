"""The style sheet of a drawing apart from the palette: what is thick, dashed or dimmed.

Every rule starts at a class of the drawing itself: a style sheet inside an SVG holds for the whole page.
"""

from __future__ import annotations

DRAWING_CSS = """\
.nbflow-drawing .nbflow-paper{fill:var(--nbflow-fill)}
.nbflow-drawing .nbflow-shape{fill:var(--nbflow-fill);stroke:var(--nbflow-stroke);\
stroke-width:var(--nbflow-width);stroke-dasharray:var(--nbflow-dash)}
.nbflow-drawing .nbflow-node text,.nbflow-drawing .nbflow-cluster text{fill:var(--nbflow-text)}
.nbflow-drawing .nbflow-edge path{fill:none;stroke:var(--nbflow-stroke);stroke-width:1.2px}
.nbflow-drawing .nbflow-edge polygon{fill:var(--nbflow-stroke)}
.nbflow-drawing .nbflow-edge text{fill:var(--nbflow-text);paint-order:stroke;stroke:var(--nbflow-fill);\
stroke-width:3px;stroke-opacity:.85;stroke-linejoin:round}
.nbflow-drawing .nbflow-edge.nbflow-mapped path{stroke-dasharray:5 3}
.nbflow-drawing .nbflow-edge.nbflow-order path{stroke-dasharray:1.5 3}
.nbflow-drawing .nbflow-edge.nbflow-lifecycle{opacity:.45}
.nbflow-drawing .nbflow-cluster>.nbflow-shape{stroke-width:max(1.4px,var(--nbflow-width))}
.nbflow-drawing .nbflow-behind{stroke-dasharray:none;stroke-width:1px}
.nbflow-structure .nbflow-node>.nbflow-shape{stroke-dasharray:none;stroke-width:1.3px}
.nbflow-drawing .nbflow-empty{fill:var(--nbflow-text)}
.nbflow-drawing text{pointer-events:none}"""

# Only where there is something of the kind: most drawings have neither.
MISSING_CSS = """\
.nbflow-drawing.nbflow-structure .nbflow-missing>.nbflow-shape{stroke-dasharray:var(--nbflow-dash);\
stroke-width:var(--nbflow-width)}"""
CELL_CSS = """\
.nbflow-drawing .nbflow-cluster.nbflow-cell>.nbflow-shape{stroke-dasharray:1.5 4;stroke-width:1.4px;fill:none}
.nbflow-drawing .nbflow-cluster.nbflow-cell>text{opacity:.75}"""
