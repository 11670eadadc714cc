"""The Python inside of IPython's own syntax: `%time x = f(y)` binds and reads, `!ls {folder}` reads."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from nbflow.notebook.source.scripts import python_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BRACES = re.compile(r"\{([^{}]*)\}")
_DOLLAR = re.compile(r"\$\$?([A-Za-z_]\w*)")
_TIMED = ("timeit", "prun", "memit", "lprun")
_OPTION = re.compile(r"\s*-[a-zA-Z]+\s*(\d+\s+)?")


def magic_call(node: ast.AST) -> str | None:
    """Return the method of the shell that `node` calls, None if it is no translated IPython syntax."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    shell = node.func.value
    is_shell = isinstance(shell, ast.Call) and getattr(shell.func, "id", "") == "get_ipython"
    return node.func.attr if is_shell else None


def texts_of(node: ast.Call) -> list[str]:
    """Return the arguments of a translated call, which are texts."""
    return [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]


def python_of_magic(node: ast.Call, bound_by: Callable[[ast.Module], Iterable[str]]) -> list[ast.stmt]:
    """Return the Python in a line magic that runs its line, or in a shell command; other magics have none.

    `bound_by` gives the names that the code of a script binds.
    """
    method, texts = magic_call(node), texts_of(node)
    if method == "run_line_magic" and len(texts) == 2 and texts[0] == "time":
        return _parsed([texts[1]])
    if method == "run_line_magic" and len(texts) == 2 and texts[0] == "run":
        return python_of_run(texts[1], bound_by)
    if method == "run_line_magic" and len(texts) == 2 and texts[0] in _TIMED:
        line = texts[1]
        while match := _OPTION.match(line):
            line = line[match.end() :]
        return _parsed([f"def _timed(): {line}"])  # what it binds, it keeps to itself
    if method in ("system", "getoutput", "run_line_magic"):
        text = " ".join(texts)
        return _parsed([*_BRACES.findall(text), *_DOLLAR.findall(text)])
    return []


def _parsed(sources: list[str]) -> list[ast.stmt]:
    found = []
    for source in sources:
        try:
            found += ast.parse(source.strip()).body
        except SyntaxError:  # it is no Python: `awk '{print $1}'`
            continue
    return found
