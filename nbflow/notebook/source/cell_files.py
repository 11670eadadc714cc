"""The files that a cell names as it reads and writes them, as far as its source tells: literal paths in calls.

Python does not say what a function does with a path, so this goes by what functions are called. It is meant for pairs
of cells, one that writes ``"x.csv"`` and one that reads it; what is seen in one cell alone says nothing.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass

from nbflow.notebook.source.changes import called_name

_READS = frozenset(
    {
        *("load", "loads_file", "loadtxt", "genfromtxt", "fromfile", "from_file", "imread", "load_workbook"),
        *("open_dataset", "open_zarr", "open_mfdataset", "scan_csv", "scan_parquet", "scan_ndjson", "read"),
        *("reader", "getline", "from_csv", "from_parquet"),
    }
)
_WRITES = frozenset(
    {
        *("save", "savez", "savez_compressed", "savetxt", "savefig", "imsave", "imwrite", "dump", "tofile"),
        *("write", "sink_csv", "sink_parquet", "sink_ndjson", "urlretrieve"),
    }
)
# From the first to the second.
_COPIES = frozenset({"copy", "copy2", "copyfile", "move", "replace", "rename"})
# Words in the names of arguments that take a path; others are modes, separators, encodings.
_OF_PATHS = ("path", "file", "fname", "buf", "uri", "url", "src", "dst", "source", "target")
_PATHS = frozenset({"Path", "PurePath", "PosixPath", "WindowsPath"})


@dataclass(frozen=True, slots=True)
class FileNames:
    """The paths that a cell names.

    Attributes:
        read: Those that it reads and has not written further up.
        written: Those that it writes.
        added: Those that it only adds something to.
    """

    read: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()

    def comes_after(self, other: FileNames) -> bool:
        """Tell whether a cell with these files must come after the one with `other`, which is above it."""
        return not (
            self.read.isdisjoint(other.written | other.added)
            and self.written.isdisjoint(other.read | other.written | other.added)
            and self.added.isdisjoint(other.read | other.written)
        )


NO_NAMES = FileNames()


def file_names(tree: ast.AST) -> FileNames:
    """Find the files that the code of a cell names.

    Example:
        >>> found = file_names(ast.parse("table = pd.read_csv('a.csv'); table.to_csv('b.csv')"))
        >>> sorted(found.read), sorted(found.written)
        (['a.csv'], ['b.csv'])
    """
    walk = _Walk()
    walk.visit(tree)
    return FileNames(frozenset(walk.read), frozenset(walk.written), frozenset(walk.added))


class _Walk(ast.NodeVisitor):
    """Goes through the calls of a cell in the order in which they are made, as nearly as it matters."""

    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self.written: dict[str, None] = {}
        self.added: dict[str, None] = {}

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = node.func
        name = called_name(function)
        paths = _paths(node)
        own = [path] if isinstance(function, ast.Attribute) and (path := _path_of(function.value)) else []
        if name == "open":
            self._opened(own or _first_path(node), _mode(node, 0 if own else 1))
        elif name in _COPIES:
            paths = [*own, *paths]
            self._reads(paths[:1])
            self._writes(paths[1:2])
        elif name in ("read_text", "read_bytes", "write_text", "write_bytes"):
            (self._reads if name.startswith("read") else self._writes)(own)
        elif name.startswith("read_") or name in _READS:
            self._reads(paths)
        elif name == "write" and len(node.args) == 1:  # a text into an open file, as a rule
            self._writes([path for path in paths if os.path.dirname(path) or os.path.splitext(path)[1]])
        elif name.startswith(("to_", "write_", "save_")) or name in _WRITES:
            self._writes(paths)

    def _opened(self, paths: list[str], mode: str) -> None:
        kinds = set(mode or "r")
        if kinds & {"w", "x"}:
            self._writes(paths)
        elif "+" in kinds:
            self._reads(paths)
            self._writes(paths)
        elif "a" in kinds:
            self.added.update((path, None) for path in paths if path not in self.written)
        else:
            self._reads(paths)

    def _reads(self, paths: list[str]) -> None:
        self.read.update((path, None) for path in paths if path not in self.written)

    def _writes(self, paths: list[str]) -> None:
        self.written.update((path, None) for path in paths)


def _paths(node: ast.Call) -> list[str]:
    named = (word.value for word in node.keywords if any(part in (word.arg or "") for part in _OF_PATHS))
    return [path for argument in (*node.args, *named) if (path := _path_of(argument))]


def _first_path(node: ast.Call) -> list[str]:
    """Return the path that `open` gets, whose mode is no path."""
    first = node.args[:1] or [word.value for word in node.keywords if word.arg == "file"]
    return [path for argument in first if (path := _path_of(argument))]


def _path_of(node: ast.expr) -> str:
    """Return the path that an expression says literally: ``"x.csv"``, ``Path("data") / "x.csv"``; else nothing."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and node.value.strip() and "\n" not in node.value:
            return os.path.normpath(node.value)
        return ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        left, right = _path_of(node.left), _path_of(node.right)
        return os.path.normpath(os.path.join(left, right)) if left and right else ""
    if isinstance(node, ast.Call) and not node.keywords:
        name = called_name(node.func)
        parts = [_path_of(part) for part in node.args]
        joins = name in _PATHS or (name == "join" and _is_os_path(node.func))
        if joins and parts and all(parts):
            return os.path.normpath(os.path.join(*parts))
    return ""


def _is_os_path(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) in ("os.path", "path")


def _mode(node: ast.Call, place: int) -> str:
    """Return the mode of an `open`; empty if it is the usual one, or is not told."""
    found = node.args[place] if len(node.args) > place else None
    for word in node.keywords:
        if word.arg == "mode":
            found = word.value
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""
