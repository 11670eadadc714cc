"""The panel's scripts and style sheet, put together from the files in `static`.

A widget's script is loaded from a Blob URL and can import no sibling. So each script is its entry file with
everything that it imports, directly or not, put before it; nothing is rewritten but the lines that import and export.
Under Node the files are imported as they are.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from nbflow.render.palette import accents_css
from nbflow.render.svg import drawing_css

_STATIC = (Path(__file__).parent / "static").resolve()
_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w/-]+\.mjs)";\n', re.M)
_EXPORT = re.compile(r"^export (?!default\b)", re.M)


@cache
def script(entry: str) -> str:
    """Return the whole script of `static/ENTRY.mjs`, as one module that imports nothing."""
    texts: dict[Path, str] = {}
    _add(_STATIC / f"{entry}.mjs", texts)
    return "\n".join(texts.values())


@cache
def style_sheet() -> str:
    """Return the style sheet of the panel and of the drawings in it."""
    sheets = sorted(_STATIC.rglob("*.css"), key=lambda path: (path.stem != "panel", path.stem))
    texts = [drawing_css(), accents_css(".nbflow-panel")]
    return "\n".join([*texts, *(path.read_text(encoding="utf-8") for path in sheets)])


def _add(path: Path, texts: dict[Path, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name in _IMPORT.findall(text):
        sibling = (path.parent / name).resolve()
        if sibling not in texts:
            _add(sibling, texts)
    texts[path] = _EXPORT.sub("", _IMPORT.sub("", text))
