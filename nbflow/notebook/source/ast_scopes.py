"""Names that belong to a function, a class or a comprehension, and so say nothing about the cell around it."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


class Hidden:
    """The names of the scopes that are open inside of a cell; true while there is one."""

    def __init__(self) -> None:
        self._scopes: list[tuple[Collection[str], bool]] = []

    def __contains__(self, name: str) -> bool:
        return any(name in names for names, _ in self._scopes)

    def __bool__(self) -> bool:
        return bool(self._scopes)

    @property
    def is_in_function(self) -> bool:
        """True if one of the scopes is a function's or a class's."""
        return any(is_function for _, is_function in self._scopes)

    @contextmanager
    def adding(self, names: Collection[str], *, is_function: bool = False) -> Iterator[None]:
        """Open a scope with these names."""
        self._scopes.append((names, is_function))
        try:
            yield
        finally:
            self._scopes.pop()


def hidden_names(targets: Iterable[ast.expr]) -> set[str]:
    """Return the names that targets bind."""
    return {
        part.id
        for target in targets
        for part in ast.walk(target)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def arguments_in(arguments: ast.arguments) -> list[ast.arg]:
    """Return the arguments of a function, each with its annotation."""
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    return [one for one in every if one is not None]


def function_locals(node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    """Return the names that are local to a function, or bound in the body of a class."""
    finder = _Locals()
    if not isinstance(node, ast.ClassDef):
        finder.found.update(one.arg for one in arguments_in(node.args))
    for parameter in getattr(node, "type_params", ()):
        finder.found.add(parameter.name)
    if isinstance(node, ast.Lambda):
        finder.visit(node.body)
    else:
        for child in node.body:
            finder.visit(child)
    return finder.found - finder.outside


class _Locals(ast.NodeVisitor):
    """Finds what is bound in one scope, without going into the scopes inside of it."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.outside: set[str] = set()
        self._in_comprehension = 0

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store) and not self._in_comprehension:
            self.found.add(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.found.add(node.target.id)
        self.visit(node.value)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.outside.update(node.names)

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.found.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.found.add(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Has a scope of its own."""

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._in_comprehension += 1
        self.generic_visit(node)
        self._in_comprehension -= 1

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_MatchAs(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name is not None:
            self.found.add(name)
        self.generic_visit(node)

    visit_ExceptHandler = visit_MatchStar = visit_MatchMapping = visit_MatchAs
