"""Cell magics in a cell that is a task: which ones it takes over, which are executed at once, and what helps else."""

from __future__ import annotations

import ast
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.notebook.source.magic_source import magic_call, texts_of
from nbflow.notebook.source.scripts import parse_run

if TYPE_CHECKING:
    from collections.abc import Iterator

AROUND = frozenset({"time", "capture"})
# They write or show what stands in the cell, and read no value.
AT_ONCE = frozenset({"writefile", "file", "html", "HTML", "markdown", "latex", "svg", "SVG", "javascript", "js"})
_SHELLS = frozenset({"bash", "sh", "script", "system", "sx", "!"})
_MAGIC_LINE = re.compile(r"%%(\w+|!)(.*)")


@dataclass(frozen=True, slots=True)
class CellMagic:
    """The first line of a cell that is a magic, and what stands below it.

    Attributes:
        name: The magic.
        line: What stands behind it.
        body: The cell without this line.
    """

    name: str
    line: str
    body: str


def cell_magic_of(body: str, magic: str) -> CellMagic | None:
    """Return the magic that the body of a `%%task` cell begins with, None if it begins with Python.

    Raises:
        UsageError: If it is one that a task cannot have; `magic` is what the message calls the cell's own.
    """
    head, _, rest = body.lstrip().partition("\n")
    match = _MAGIC_LINE.fullmatch(head.rstrip())
    if match is None:
        return None
    found = CellMagic(match[1], match[2].strip(), rest)
    if found.name in AROUND | AT_ONCE:
        return found
    if found.name in ("timeit", "prun", "memit", "lprun"):
        advice = f"write %{found.name} before the statement that it is about"
    elif found.name in _SHELLS:
        advice = "write its commands as lines with `!`, which a task may have, or leave the cell an ordinary one"
    else:
        advice = f"leave this cell an ordinary one, without the line {magic}"
    raise UsageError(f"{magic}: %%{found.name} cannot be a task; {advice}")


def below_task(lines: list[str]) -> list[str]:
    """Put the line of `%%task` above that of another cell magic; IPython calls it with each cell.

    Above `%%task` the other magic would be about the definition of the task: it would time that, or write the line
    of `%%task` into its file.
    """
    filled = [i for i, line in enumerate(lines) if line.strip()][:2]
    if len(filled) < 2:
        return lines
    first, second = filled
    match = _MAGIC_LINE.match(lines[first])
    is_task = re.match(r"%%task\b", lines[second])
    if match is None or is_task is None or match[1] in ("task", "flow"):
        return lines
    return [*lines[:first], lines[second], lines[first], *lines[second + 1 :]]


def wrapped(magic: CellMagic, nodes: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a cell inside of a `with` that does what the magic around the task does."""
    last = nodes[-1] if nodes else None
    shown: list[ast.stmt] = []
    if magic.name == "time":
        head = "with __import__('nbflow.notebook.taskcell.cell_magics', fromlist=['timing']).timing(): pass"
        if isinstance(last, ast.Expr):
            nodes = [*nodes[:-1], *ast.parse("_shown_by_cell = None").body]
            nodes[-1].value = last.value  # type: ignore[attr-defined]
            shown = [*ast.parse("_shown_by_cell").body]
    else:
        words = magic.line.split()
        options = [f"{name}=False" for name in ("stdout", "stderr", "display") if f"--no-{name}" in words]
        target = f" as {name}" if (name := captured_name(magic)) else ""
        call = f"__import__('IPython.utils.capture', fromlist=['capture_output']).capture_output({', '.join(options)})"
        head = f"with {call}{target}: pass"
    block = ast.parse(head).body[0]
    assert isinstance(block, ast.With)
    block.body = nodes or block.body
    return [block, *shown]


def in_task(nodes: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements with `%time` and `%run` about the names of the task instead of those of the notebook."""
    return [made for node in nodes for made in _in_task(node)]


def _in_task(node: ast.stmt) -> list[ast.stmt]:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or magic_call(call) != "run_line_magic":
        return [node]
    magic, line = (*texts_of(call), "", "")[:2]
    made: list[ast.stmt] = []
    if magic == "time":
        try:
            made = wrapped(CellMagic("time", "", ""), ast.parse(line.strip()).body)
        except SyntaxError:
            return [node]
    elif magic == "run" and (script := parse_run(line)) is not None:
        path, arguments, is_shared = script
        source = "__import__('nbflow.notebook.source.scripts', fromlist=['run']).run"
        made = ast.parse(f"{source}(globals(), {path!r}, {arguments!r}, is_shared={is_shared})").body
    else:
        return [node]
    for one in made:
        ast.increment_lineno(one, node.lineno - 1)
    return made


def captured_name(magic: CellMagic | None) -> str | None:
    """Return the name that `%%capture` binds, None if there is none."""
    if magic is None or magic.name != "capture":
        return None
    return next((word for word in magic.line.split() if word.isidentifier()), None)


@contextmanager
def timing() -> Iterator[None]:
    """Print what `%%time` prints, when the block has ended."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        used, passed = time.process_time() - cpu, time.perf_counter() - wall
        sys.stdout.write(f"CPU times: {_readable(used)}\nWall time: {_readable(passed)}\n")


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
