"""The imports, functions and constants of the ordinary cells of a notebook, as far as a flow needs them.

The cells that were executed are searched for the statements that bind the names asked for, and for what these need in
turn. Statements that change such a name in place, or set options of a module, come with it. The statements are given
in the order in which they were executed.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.notebook.export.export_text import CellSource
from nbflow.notebook.source.infer import CellNames, is_import, names_of
from nbflow.notebook.source.magic_source import magic_call, texts_of
from nbflow.notebook.source.scripts import parse_run, source_of
from nbflow.notebook.source.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of an ordinary cell.

    Attributes:
        text: As it stands in the cell.
        node: The same as a tree.
        names: Its names.
    """

    text: str
    node: ast.stmt
    names: CellNames

    @property
    def binds(self) -> frozenset[str]:
        """The names it binds, for certain or not."""
        return frozenset((*self.names.bound, *self.names.maybe))

    @property
    def is_import(self) -> bool:
        """True if it is an import."""
        return is_import(self.node)

    @property
    def is_future(self) -> bool:
        """True if it is an import that has to stand first."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"

    @property
    def is_long(self) -> bool:
        """True if it wants blank lines around it."""
        return isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))

    @classmethod
    def of(cls, text: str) -> Statement:
        """Return the statement with this text."""
        return _statements(text)[0]


class PlainCells:
    """The statements of the ordinary cells.

    Args:
        sources: The Python of the cells, in the order in which they were executed; a cell that was executed twice
            is there twice.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._cells = [_statements(source) for source in sources]

    def needed_for(self, names: Iterable[str], given: Collection[str]) -> tuple[list[Statement], set[str]]:
        """Find the statements that bind `names`, but for those that tasks have `given`.

        Returns:
            The statements, each once, and the names that no cell binds.
        """
        chosen: set[tuple[int, int]] = set()
        known: set[str] = set()
        unknown: set[str] = set()
        wanted = [(name, len(self._cells)) for name in names]
        while wanted:
            name, before = wanted.pop()
            if name in given:
                continue
            cell = self._binder(name, before)
            if cell is None:
                unknown.add(name)
                continue
            known.add(name)
            for number, statement in enumerate(self._cells[cell]):
                if name in statement.binds and (cell, number) not in chosen:
                    chosen.add((cell, number))
                    own = {n for s in self._cells[cell][:number] for n in s.binds}
                    wanted += [(r, cell + (r in own)) for r in statement.names.read]
            for place in self._changes(name, cell):
                if place not in chosen:
                    chosen.add(place)
                    changing = self._cells[place[0]][place[1]]
                    wanted += [(r, place[0] + 1) for r in changing.names.read if r not in known]
        found = {self._cells[cell][number].text: (cell, number) for cell, number in sorted(chosen, reverse=True)}
        return [self._cells[cell][number] for cell, number in sorted(found.values())], unknown - known

    def star_imports(self) -> list[Statement]:
        """Return the imports of everything from a module: nobody can say what they bind."""
        found = {s.text: s for cell in self._cells for s in cell if s.is_import and s.text.endswith("*")}
        return list(found.values())

    def _binder(self, name: str, before: int) -> int | None:
        """Return the last cell before `before` that binds the name, else the first one that does."""
        binding = [i for i, cell in enumerate(self._cells) if any(name in s.binds for s in cell)]
        earlier = [i for i in binding if i < before]
        return earlier[-1] if earlier else next(iter(binding), None)

    def _changes(self, name: str, since: int) -> list[tuple[int, int]]:
        is_module = any(name in s.binds and s.is_import for s in self._cells[since])

        def changes(s: Statement) -> bool:
            return _sets_option(s.node, name) if is_module else name in s.names.changed and not s.binds

        cells = [(cell, self._cells[cell]) for cell in range(since, len(self._cells))]
        return [(cell, number) for cell, statements in cells for number, s in enumerate(statements) if changes(s)]


def import_of(name: str, value: Any) -> str | None:
    """Return the import that gives `value` this name, None if there is none."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    module, attribute = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if module in (None, "__main__") or getattr(sys.modules.get(module), attribute or "", None) is not value:
        return None
    return f"from {module} import {attribute}" + ("" if attribute == name else f" as {name}")


def _sets_option(node: ast.stmt, name: str) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and root.id == name and call.func.attr in SETTINGS


def _statements(source: str) -> list[Statement]:
    try:
        cell = CellSource(source)
    except SyntaxError:
        return []
    found = []
    for node in cell.tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and magic_call(call) == "run_line_magic" and texts_of(call)[:1] == ["run"]:
            script = parse_run("".join(texts_of(call)[1:]))
            found += [] if script is None else _statements(source_of(script[0]))
            continue
        if any(magic_call(part) for part in ast.walk(node)):
            continue
        # A second statement, so that a call counts as one whose value is dropped.
        names = names_of(ast.Module([node, ast.Pass()], []))
        found.append(Statement(text=cell.of(node), node=node, names=names))
    return found
