"""Tells which cell this is: by the id that the front end sends, else by the names the cell binds.

Pure functions of the cell's source. A cell without an id and without names is known by its source alone.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names a cell binds at top level, and those it reads before it binds them."""

    bound: frozenset[str]
    read: frozenset[str]


def names_in(source: str) -> Names:
    """Find the names that `source` binds and reads at top level; none if it does not parse."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return Names(bound=frozenset(), read=frozenset())
    finder = _Finder()
    for node in tree.body:
        finder.visit(node)
    return Names(bound=frozenset(finder.bound), read=frozenset(finder.read))


def cell_key(cell_id: str | None, source: str, names: Names) -> str:
    """Return what the cell is known by: equal keys mean the same cell."""
    if cell_id:
        return f"id {cell_id}"
    if names.bound:
        again = names.bound & names.read  # `data = clean(data)` is another cell than `data = load()`
        return " ".join(["names", *sorted(names.bound), *(["again", *sorted(again)] if again else [])])
    return f"source {source.strip()}"


class _Finder(ast.NodeVisitor):
    """Walks in the order of evaluation, as far as it matters: values before targets."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.read: set[str] = set()
        self._depth = 0

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            if not self._depth:
                self.bound.add(node.id)
        elif node.id not in self.bound:
            self.read.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name) and node.target.id not in self.bound:
            self.read.add(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        for child in (*node.body, *node.orelse):
            self.visit(child)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        if not self._depth:
            self.bound.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        if not self._depth:
            self.bound.add(node.name)
        self._inside(node)

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inside(node)

    def _inside(self, node: ast.AST) -> None:
        # What a function reads counts as read: it may be called in this cell. What it binds stays inside.
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
