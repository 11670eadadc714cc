"""`%run` in a cell that is a task: the script or notebook is executed with the names of the task."""

from __future__ import annotations

import ast
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def parse_run(line: str) -> tuple[str, list[str], bool] | None:
    """Return the file of `%run`, its arguments, and whether it shares the names of the notebook.

    None if the line has options that only IPython understands, or names no file there is.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    is_shared = False
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option not in ("-i", "-n", "-e"):
            return None
        is_shared = is_shared or option == "-i"
    if not words:
        return None
    path = Path(words[0]).expanduser()
    if not path.suffix:
        path = path.with_suffix(".py")
    if path.suffix not in (".py", ".ipy", ".ipynb") or not path.is_file():
        return None
    return str(path), words[1:], is_shared or path.suffix == ".ipynb"


def source_of(path: str) -> str:
    """Return the Python of a script, or of the code cells of a notebook, IPython's own syntax translated."""
    text = Path(path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        return text
    from IPython.core.inputtransformer2 import TransformerManager

    cells = [text]
    if path.endswith(".ipynb"):
        cells = ["".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    return "\n".join(TransformerManager().transform_cell(cell) for cell in cells)


def python_of_run(line: str, bound_by: Callable[[ast.Module], Iterable[str]]) -> list[ast.stmt]:
    """Return Python that reads and binds what the script of a `%run` line reads and binds in the notebook.

    `bound_by` gives the names that a script binds.
    """
    found = parse_run(line)
    if found is None:
        return []
    try:
        tree = ast.parse(source_of(found[0]))
    except (OSError, SyntaxError, ValueError, KeyError):
        return []
    if found[2]:
        return tree.body
    # Its functions look names up in the script, so that only what it binds reaches the notebook.
    return ast.parse("\n".join(f"{name} = None" for name in bound_by(tree))).body


def run(space: dict[str, Any], path: str, arguments: Sequence[str], *, is_shared: bool) -> None:
    """Execute a script, which finds `arguments` in `sys.argv`; the names of the task, `space`, get what it binds.

    If shared, it is executed in these names, else in names of its own.
    """
    names = space if is_shared else {"__name__": "__main__", "__file__": path}
    code = compile(source_of(path), path, "exec", dont_inherit=True)
    before, sys.argv = sys.argv, [path, *arguments]
    try:
        exec(code, names)
    finally:
        sys.argv = before
    if not is_shared:
        space.update((name, value) for name, value in names.items() if not name.startswith("__"))
