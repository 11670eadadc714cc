"""The ways through a cell, by its branches and loops: what is bound for certain at each place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbflow.notebook.source.changes import called_name
from nbflow.notebook.source.name_visitor import NameVisitor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.notebook.source.called_code import Body
    from nbflow.notebook.source.found_names import FoundNames

__all__ = ["walk"]

Sure = set[str] | None  # the names bound for certain; None where no way leads


def walk(
    nodes: Sequence[ast.stmt], resolve: Callable[[str], Body | None] | None = None, displayed: ast.stmt | None = None
) -> tuple[FoundNames, Sure]:
    """Walk through statements; returns what their names are, and which of them are bound at the end.

    `resolve` is as for `NameVisitor`, and `displayed` the statement whose value the cell shows.
    """
    names = NameVisitor(displayed, resolve)
    sure = ControlFlow(names).follow(nodes, set())
    return names.found, sure


class ControlFlow:
    """Follows the ways in the order of execution, and tells the visitor what is bound where it looks."""

    def __init__(self, names: NameVisitor) -> None:
        self.names = names
        self.found = names.found
        self._breaks: list[list[set[str]]] = []

    def follow(self, nodes: Sequence[ast.stmt], sure: Sure) -> Sure:
        """Follow statements from where `sure` is bound; returns what is bound after them."""
        for node in nodes:
            if sure is None:  # nothing gets here, but what it binds is local to it all the same
                sure = set(self.found.bound)
            self.found.sure = sure
            sure = self._statement(node)
        return sure

    def _statement(self, node: ast.stmt) -> Sure:
        """Follow one statement; returns what is bound after it."""
        way = getattr(self, f"way_{type(node).__name__}", None)
        if way is not None:
            after: Sure = way(node)
            return after
        self.names.visit(node)
        if isinstance(node, (ast.Raise, ast.Continue, ast.Return)):
            return None
        if isinstance(node, ast.Break):
            if self._breaks:
                self._breaks[-1].append(set(self.found.sure))
            return None
        return self.found.sure

    def way_If(self, node: ast.If) -> Sure:
        self.names.visit(node.test)
        before = self.found.sure
        return _either(self.follow(node.body, set(before)), self.follow(node.orelse, set(before)))

    def way_For(self, node: ast.For | ast.AsyncFor) -> Sure:
        self.names.visit(node.iter)
        before = set(self.found.sure)
        self.names.bind_passing(node.target)
        self.found.carry([node.target], node.iter)
        return self._loop(node, before)

    way_AsyncFor = way_For

    def way_While(self, node: ast.While) -> Sure:
        self.names.visit(node.test)
        return self._loop(node, set(self.found.sure))

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, before: set[str]) -> Sure:
        """Follow the body, which may be left out, and what comes when the loop was not broken off."""
        forever = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        deleted = set(self.found.deleted)
        self._breaks.append([])
        self.follow(node.body, set(self.found.sure))
        broken = self._breaks.pop()
        before -= self.found.deleted - deleted
        after = None if forever else self.follow(node.orelse, set(before))
        for sure in broken:
            after = _either(after, sure if forever else sure & (before | sure))
        return after

    def way_With(self, node: ast.With | ast.AsyncWith) -> Sure:
        swallows = False
        for item in node.items:
            self.names.visit(item.context_expr)
            swallows = swallows or _may_swallow(item.context_expr)
            if item.optional_vars is not None:
                self.names.bind_passing(item.optional_vars)
                self.found.carry([item.optional_vars], item.context_expr)
        before = set(self.found.sure)
        after = self.follow(node.body, set(before))
        return _either(before, after) if swallows else after

    way_AsyncWith = way_With

    def way_Try(self, node: ast.Try) -> Sure:
        before, deleted = set(self.found.sure), set(self.found.deleted)
        ended = self.follow(node.body, set(before))
        before -= self.found.deleted - deleted
        after = None if ended is None else self.follow(node.orelse, ended)
        for handler in node.handlers:
            self.found.sure = set(before)
            if handler.type is not None:
                self.names.visit(handler.type)
            if handler.name is not None:
                self.found.bind(handler.name)
            handled = self.follow(handler.body, set(self.found.sure))
            after = _either(after, None if handled is None else handled - {handler.name or ""})
        if not node.finalbody:
            return after
        self.follow(node.finalbody, set(before))
        return None if after is None else self.follow(node.finalbody, after)

    way_TryStar = way_Try

    def way_Match(self, node: ast.Match) -> Sure:
        self.names.visit(node.subject)
        before = set(self.found.sure)
        after: Sure = None
        for case in node.cases:
            self.found.sure = set(before)
            self.names.visit(case.pattern)
            if case.guard is not None:
                self.names.visit(case.guard)
            after = _either(after, self.follow(case.body, set(self.found.sure)))
        last = node.cases[-1]
        takes_all = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        return after if takes_all else _either(after, before)


def _either(one: Sure, other: Sure) -> Sure:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _may_swallow(manager: ast.expr) -> bool:
    """Tell whether a `with` may go on after an error in it, as far as its name says."""
    function = manager.func if isinstance(manager, ast.Call) else manager
    return called_name(function) in ("suppress", "raises", "ExitStack", "AsyncExitStack")
