"""The walk through a cell's syntax tree that finds which names it reads, binds and changes; see `infer`."""

# ruff: noqa: D102 - a method follows the kind of node that it is named after
from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbflow.notebook.source.ast_scopes import arguments_in, function_locals, hidden_names
from nbflow.notebook.source.called_code import Body, CalledCode, makes_code, only_wraps
from nbflow.notebook.source.changes import changed_by_call, is_assignment_free_call, root_name
from nbflow.notebook.source.found_names import FoundNames
from nbflow.notebook.source.magic_source import python_of_magic
from nbflow.notebook.source.names_in_strings import (
    ANY_NAME,
    SOME_TEXT,
    evaluates_text,
    hinted_names,
    is_any_names,
    key_of_names,
    names_asked,
    python_in_call,
    python_in_format,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


class NameVisitor(ast.NodeVisitor):
    """Collects names in the order of execution; `ControlFlow` says at each place what is bound for certain.

    Args:
        displayed: The statement whose value the cell shows.
        resolve: Tells what a function or class of other cells does to names when it is used. With it, what a
            function of the cell reads counts where the function is used; without it, where it is defined.
    """

    def __init__(self, displayed: ast.stmt | None = None, resolve: Callable[[str], Body | None] | None = None) -> None:
        self.displayed = displayed
        self.found = FoundNames(
            None if resolve is None else CalledCode(resolve, lambda node: body_of_function(node).read)
        )
        self._asked: set[ast.expr] = set()  # calls of `globals` for one name

    # Statements without branches

    def visit_Assign(self, node: ast.Assign) -> None:
        is_named = all(isinstance(target, ast.Name) for target in node.targets)
        called = self.found.lazy
        if called is None or not (isinstance(node.value, ast.Lambda) and is_named):
            self._visit_all((node.value, *node.targets))
            self.found.carry(node.targets, node.value)
            return
        self._visit_arguments(node.value.args)
        body = body_of_function(node.value)
        for target in node.targets:
            self.visit(target)
            called.add(target.id, body)  # type: ignore[attr-defined]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._name([node.annotation])
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.found.add_read(node.target.id)
            self.found.change(node.target.id)  # a list grows in place
        self.visit(node.target)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name):
                self.found.delete(target.id)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name != "*":
                self.found.bind_definition(name)

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)
        dropped = node is not self.displayed
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            name = root_name(node.value.func)
            if name is not None and dropped and is_assignment_free_call(node.value):
                self.found.change(name)
                for argument in node.value.args:
                    self.found.carry([node.value.func], argument)

    # Expressions

    def visit(self, node: ast.AST) -> None:
        asked = names_asked(node)
        if asked is not None:
            self._asked.add(asked)
        super().visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if is_any_names(node) and node not in self._asked:
            self.found.add_read(ANY_NAME)
        if evaluates_text(node):
            self.found.add_read(SOME_TEXT)
        is_displayed = isinstance(self.displayed, ast.Expr) and self.displayed.value is node
        for name in changed_by_call(node, is_displayed=is_displayed):
            self.found.change(name)
        self._visit_all((*python_of_magic(node, _bound_by), *python_in_call(node)))
        if not self.found.hidden:
            self.found.hinted.update(dict.fromkeys(hinted_names(node)))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.generic_visit(node)
        self._visit_all(python_in_format(node))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.found.add_read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.found.bind_value(node.id)

    def visit_Attribute(self, node: ast.Attribute | ast.Subscript) -> None:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self.found.change(root_name(node))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit_Attribute(node)
        name = key_of_names(node)
        if name is not None:
            self.visit(ast.Name(name, node.ctx))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        name = node.target.id
        if not self.found.hidden:
            self.found.bind_value(name)
        elif not self.found.hidden.is_in_function:  # the comprehension may have nothing to go through
            self.found.bind_perhaps(name)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._perhaps(node.values[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._perhaps([node.body])
        self._perhaps([node.orelse])

    def _perhaps(self, nodes: Iterable[ast.expr]) -> None:
        before = set(self.found.sure)
        self._visit_all(nodes)
        self.found.sure &= before

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        targets = hidden_names(generator.target for generator in node.generators)
        with self.found.hidden.adding(targets):
            for number, generator in enumerate(node.generators):
                if number:
                    self.visit(generator.iter)
                self._visit_all((generator.target, *generator.ifs))
            self._visit_all((node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,))

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    # Definitions whose bodies count where they are used

    def _class_body(self, node: ast.ClassDef) -> Body:
        """Visit what is executed when a class is defined, and return what its methods do."""
        body = Body(read=tuple(n.id for n in node.bases if isinstance(n, ast.Name)), makes=True)
        with self.found.hidden.adding(function_locals(node), is_function=True):
            for child in node.body:
                if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self.visit(child)
                    continue
                self._visit_head(child)
                body |= body_of_function(child)
        return body

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_arguments(node.args)
        self._inside(function_locals(node), [node.body], is_function=True)

    # Definitions

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_head(node)
        self.found.bind_definition(node.name)
        if self.found.lazy is not None:
            self._define(node, body_of_function(node))
            return
        for name in _global_stores(node):
            self.found.bind_perhaps(name)  # the function may never be called
        self._inside(function_locals(node), node.body, is_function=True)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all(node.decorator_list)
        self._name([*node.bases, *node.keywords])
        body = None if self.found.lazy is None else self._class_body(node)
        if body is None:
            self._inside(function_locals(node), node.body, is_function=True)
        self.found.bind_definition(node.name)
        if body is not None:
            self._define(node, body)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, body: Body) -> None:
        assert self.found.called is not None
        self.found.called.add(node.name, body)
        if not all(map(only_wraps, node.decorator_list)):  # it may be called by what decorates it
            self.found.use(node.name)

    def _visit_head(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Visit what is executed when a function is defined."""
        self._visit_all(node.decorator_list)
        self._visit_arguments(node.args)
        if node.returns is not None:
            self._name([node.returns])

    def _visit_arguments(self, arguments: ast.arguments) -> None:
        self._visit_all(one for one in (*arguments.defaults, *arguments.kw_defaults) if one is not None)
        self._name(one.annotation for one in arguments_in(arguments) if one.annotation is not None)

    def _name(self, nodes: Iterable[ast.AST]) -> None:
        """Visit what names functions and classes without calling them."""
        before, self.found.only_named = self.found.only_named, True
        self._visit_all(nodes)
        self.found.only_named = before

    def _inside(self, local: Collection[str], nodes: Iterable[ast.AST], *, is_function: bool) -> None:
        with self.found.hidden.adding(local, is_function=is_function):
            self._visit_all(nodes)

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    # Patterns

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping) -> None:
        self.generic_visit(node)
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name is not None:
            self.found.bind_value(name)

    visit_MatchStar = visit_MatchMapping = visit_MatchAs

    def visit_Global(self, node: ast.Global) -> None:
        """At the top of a cell it says nothing; in a function `function_locals` has seen it."""

    def bind_passing(self, target: ast.expr) -> None:
        """Note what the target of a loop or a `with` binds, of use for the cell itself."""
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self.found.bind(part.id)
            elif isinstance(part, (ast.Attribute, ast.Subscript)):
                self.visit(part)


def _bound_by(tree: ast.Module) -> list[str]:
    """Return what code binds on any way through it."""
    walk = NameVisitor()
    walk.visit(tree)
    return [name for name in walk.found.bound if name not in walk.found.deleted]


def body_of_function(node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Body:
    """Return what a function does to names when it is called."""
    inner = NameVisitor()
    nodes = [node.body] if isinstance(node, ast.Lambda) else node.body
    inner._inside(function_locals(node), nodes, is_function=True)
    stored = [] if isinstance(node, ast.Lambda) else _global_stores(node)
    return Body(
        read=tuple(inner.found.read), changed=tuple(inner.found.changed), stored=tuple(stored), makes=makes_code(node)
    )


def _global_stores(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names that a function binds outside of itself, by `global`."""
    named = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
    stored = (p.id for p in ast.walk(node) if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store))
    return list(dict.fromkeys(name for name in stored if name in named))
