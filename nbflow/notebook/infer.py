"""Which names a cell reads, binds and changes, found by its syntax tree: what makes it a task without being told.

Pure functions of the source; nothing is executed. A name counts as read when it may be read before the cell has bound
it for certain, on any way through its branches and loops; what stands in a function counts as read where the function
is defined. A name counts as bound when it is bound on every way through the cell.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.notebook.changes import changed_by_call, is_assignment_free_call, root_name
from nbflow.notebook.magictext import python_of_magic
from nbflow.notebook.scopes import Hidden, function_locals, hidden_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["CellNames", "Roles", "names_of", "ordinary_statements", "roles"]

Sure = set[str] | None  # the names bound for certain; None where no way leads


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNames:
    """The names of a cell, each tuple in the order of their first appearance.

    Attributes:
        read: May be read before the cell has bound them.
        bound: Bound by the cell, whatever way is taken through it, and not deleted again.
        maybe: Bound on some ways only.
        changed: Their objects are changed in place, as by `table["x"] = ...`.
        passing: Bound only by a loop, a `with` or an `except`: of use for the cell itself.
        definitions: Bound only by an import, a `def` or a `class`.
    """

    read: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    passing: frozenset[str] = frozenset()
    definitions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the names of a cell are to its task.

    Attributes:
        inputs: Come from other tasks.
        outputs: Are given to other tasks.
        changes: Inputs whose objects the cell changes in place.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def names_of(tree: ast.Module) -> CellNames:
    """Find the names of a cell, which IPython's own syntax has been translated to Python in."""
    walk = _Walk(displayed=tree.body[-1] if tree.body else None)
    sure = walk.body(tree.body, set())
    bound = set() if sure is None else sure
    return CellNames(
        read=tuple(walk.read),
        bound=tuple(name for name in walk.bound if name in bound),
        maybe=tuple(name for name in walk.bound if name not in bound and name not in walk.deleted),
        changed=tuple(walk.changed),
        passing=frozenset(walk.bound) - walk.by_value - walk.by_definition,
        definitions=frozenset(walk.by_definition - walk.by_value),
    )


def roles(
    names: CellNames,
    given: Collection[str],
    *,
    needs: Sequence[str] | None = None,
    gives: Sequence[str] | None = None,
) -> Roles:
    """Decide what a cell takes and gives.

    It takes the names it reads that other tasks give, also those it may leave as they are. It gives what it binds for
    certain and what it changes, but no imports, functions and classes, no names that begin with an underscore, and no
    loop variables.

    Args:
        names: The names of the cell.
        given: The names that other tasks give.
        needs: What it takes, instead of what would be found.
        gives: What it gives, instead of what would be found.
    """
    is_private = frozenset(n for n in (*names.bound, *names.maybe, *names.changed) if n.startswith("_"))
    left_out = names.definitions | names.passing | is_private
    may_stay = [n for n in names.maybe if n not in left_out or (gives is not None and n in gives)]
    found = dict.fromkeys(n for n in (*names.read, *may_stay) if n in given)
    inputs = tuple(found) if needs is None else tuple(dict.fromkeys(needs))
    taken = set(inputs)
    changes = tuple(n for n in names.changed if n in taken)
    outputs = [n for n in names.bound if n not in left_out]
    outputs += [n for n in names.maybe if n in taken and n not in left_out]
    outputs += [n for n in changes if n not in is_private]
    return Roles(
        inputs=inputs,
        outputs=tuple(dict.fromkeys(outputs if gives is None else gives)),
        changes=changes,
    )


def ordinary_statements(tree: ast.Module, values: Collection[str]) -> list[ast.stmt]:
    """Return the imports, functions and classes at the top of a cell that need no value of a task.

    They can be executed when the cell is, as in any cell. A function that uses a value is part of the task, and so is
    one that uses such a function.

    Args:
        tree: The cell.
        values: The names that hold values of tasks when the cell's task runs: its inputs and what it binds itself.
    """
    found = [node for node in tree.body if is_definition(node)]
    own = {name for node in tree.body if not is_definition(node) for name in _Walk.of([node]).bound}
    busy = set(values) | own
    while True:
        late = [node for node in found if busy.intersection(_Walk.of([node]).read)]
        if not late:
            return found
        found = [node for node in found if node not in late]
        busy.update(*(_Walk.of([node]).bound for node in late))


def is_definition(node: ast.stmt) -> bool:
    """Tell whether a statement does nothing but import or define."""
    if isinstance(node, ast.If):
        return all(map(is_import, (*node.body, *node.orelse)))
    if isinstance(node, ast.Try):
        handled = (child for handler in node.handlers for child in handler.body)
        return all(map(is_import, (*node.body, *handled, *node.orelse, *node.finalbody)))
    return is_import(node) or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def is_import(node: ast.stmt) -> bool:
    """Tell whether a statement is an import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


class _Walk(ast.NodeVisitor):
    """Follows the ways through a cell in the order of execution, knowing at each place what is bound for certain."""

    def __init__(self, displayed: ast.stmt | None = None) -> None:
        self.displayed = displayed
        self.read: dict[str, None] = {}
        self.bound: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.deleted: set[str] = set()
        self.by_value: set[str] = set()
        self.by_definition: set[str] = set()
        self.sure: set[str] = set()
        self.hidden = Hidden()
        self.breaks: list[list[set[str]]] = []

    @classmethod
    def of(cls, nodes: list[ast.stmt]) -> _Walk:
        walk = cls()
        walk.body(nodes, set())
        return walk

    # Ways through statements

    def body(self, nodes: Sequence[ast.stmt], sure: Sure) -> Sure:
        """Follow statements from where `sure` is bound; returns what is bound after them."""
        for node in nodes:
            if sure is None:  # nothing gets here, but what it binds is local to it all the same
                sure = set(self.bound)
            self.sure = sure
            sure = self.statement(node)
        return sure

    def statement(self, node: ast.stmt) -> Sure:
        """Follow one statement; returns what is bound after it."""
        way = getattr(self, f"way_{type(node).__name__}", None)
        if way is not None:
            after: Sure = way(node)
            return after
        self.visit(node)
        if isinstance(node, (ast.Raise, ast.Continue, ast.Return)):
            return None
        if isinstance(node, ast.Break):
            if self.breaks:
                self.breaks[-1].append(set(self.sure))
            return None
        return self.sure

    def way_If(self, node: ast.If) -> Sure:
        self.visit(node.test)
        before = self.sure
        return _either(self.body(node.body, set(before)), self.body(node.orelse, set(before)))

    def way_For(self, node: ast.For | ast.AsyncFor) -> Sure:
        self.visit(node.iter)
        before = set(self.sure)
        self._bind_passing(node.target)
        return self._loop(node, before)

    way_AsyncFor = way_For

    def way_While(self, node: ast.While) -> Sure:
        self.visit(node.test)
        return self._loop(node, set(self.sure))

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, before: set[str]) -> Sure:
        """Follow the body, which may be left out, and what comes when the loop was not broken off."""
        forever = (
            isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        )
        deleted = set(self.deleted)
        self.breaks.append([])
        self.body(node.body, set(self.sure))
        broken = self.breaks.pop()
        before -= self.deleted - deleted
        after = None if forever else self.body(node.orelse, set(before))
        for sure in broken:
            after = _either(after, sure if forever else sure & (before | sure))
        return after

    def way_With(self, node: ast.With | ast.AsyncWith) -> Sure:
        swallows = False
        for item in node.items:
            self.visit(item.context_expr)
            swallows = swallows or _may_swallow(item.context_expr)
            if item.optional_vars is not None:
                self._bind_passing(item.optional_vars)
        before = set(self.sure)
        after = self.body(node.body, set(before))
        return _either(before, after) if swallows else after

    way_AsyncWith = way_With

    def way_Try(self, node: ast.Try) -> Sure:
        before, deleted = set(self.sure), set(self.deleted)
        ended = self.body(node.body, set(before))
        before -= self.deleted - deleted
        after = None if ended is None else self.body(node.orelse, ended)
        for handler in node.handlers:
            self.sure = set(before)
            if handler.type is not None:
                self.visit(handler.type)
            if handler.name is not None:
                self._bind(handler.name)
            handled = self.body(handler.body, set(self.sure))
            after = _either(after, None if handled is None else handled - {handler.name or ""})
        if not node.finalbody:
            return after
        self.body(node.finalbody, set(before))
        return None if after is None else self.body(node.finalbody, after)

    way_TryStar = way_Try

    def way_Match(self, node: ast.Match) -> Sure:
        self.visit(node.subject)
        before = set(self.sure)
        after: Sure = None
        for case in node.cases:
            self.sure = set(before)
            self.visit(case.pattern)
            if case.guard is not None:
                self.visit(case.guard)
            after = _either(after, self.body(case.body, set(self.sure)))
        last = node.cases[-1]
        takes_all = (
            last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        )
        return after if takes_all else _either(after, before)

    # Statements without branches

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
            self._change(node.target.id)  # a list grows in place
        self.visit(node.target)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name):
                self._read(target.id)
                self.sure.discard(target.id)
                self.deleted.add(target.id)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name != "*":
                self._bind(name)
                self.by_definition.add(name)

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)
        dropped = node is not self.displayed
        if dropped and isinstance(node.value, ast.Call) and is_assignment_free_call(node.value):
            name = root_name(node.value.func)
            if name is not None:
                self._change(name)

    # Expressions

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        for name in changed_by_call(node, is_displayed=self._is_displayed(node)):
            self._change(name)
        for source in python_of_magic(node):
            for child in source.body:
                self.visit(child)

    def _is_displayed(self, node: ast.Call) -> bool:
        return isinstance(self.displayed, ast.Expr) and self.displayed.value is node

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
            self.by_value.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._visit_part(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._visit_part(node)

    def _visit_part(self, node: ast.Attribute | ast.Subscript) -> None:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            name = root_name(node)
            if name is not None:
                self._change(name)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        name = node.target.id
        if not self.hidden.is_in_function:
            was_sure = name in self.sure
            self._bind(name, always=True)
            self.by_value.add(name)
            if self.hidden and not was_sure:  # the comprehension may have nothing to go through
                self.sure.discard(name)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._perhaps(node.values[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._perhaps([node.body])
        self._perhaps([node.orelse])

    def _perhaps(self, nodes: Iterable[ast.expr]) -> None:
        before = set(self.sure)
        for node in nodes:
            self.visit(node)
        self.sure &= before

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        targets = hidden_names(generator.target for generator in node.generators)
        with self.hidden.adding(targets):
            for number, generator in enumerate(node.generators):
                if number:
                    self.visit(generator.iter)
                self.visit(generator.target)
                for condition in generator.ifs:
                    self.visit(condition)
            parts = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
            for part in parts:
                self.visit(part)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_arguments(node.args)
        self._inside(function_locals(node), [node.body], is_function=True)

    # Definitions

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._visit_arguments(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        self._bind(node.name)
        self.by_definition.add(node.name)
        for name in _global_stores(node):
            was_sure = name in self.sure
            self._bind(name, always=True)
            self.by_value.add(name)
            if not was_sure:  # the function may never be called
                self.sure.discard(name)
        self._inside(function_locals(node), node.body, is_function=True)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._inside(function_locals(node), node.body, is_function=True)
        self._bind(node.name)
        self.by_definition.add(node.name)

    def _visit_arguments(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        every = (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        )
        for argument in every:
            if argument is not None and argument.annotation is not None:
                self.visit(argument.annotation)

    def _inside(self, local: Collection[str], nodes: Iterable[ast.AST], *, is_function: bool) -> None:
        with self.hidden.adding(local, is_function=is_function):
            for node in nodes:
                self.visit(node)

    # Patterns

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name is not None:
            self._bind(node.name)
            self.by_value.add(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name is not None:
            self._bind(node.name)
            self.by_value.add(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest is not None:
            self._bind(node.rest)
            self.by_value.add(node.rest)

    def visit_Global(self, node: ast.Global) -> None:
        """At the top of a cell it says nothing; in a function `function_locals` has seen it."""

    # What is found

    def _read(self, name: str) -> None:
        if name not in self.hidden and name not in self.sure:
            self.read.setdefault(name)

    def _bind(self, name: str, *, always: bool = False) -> None:
        if self.hidden and not always:
            return
        self.bound.setdefault(name)
        self.sure.add(name)
        self.deleted.discard(name)

    def _bind_passing(self, target: ast.expr) -> None:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self._bind(part.id)
            elif isinstance(part, (ast.Attribute, ast.Subscript)):
                self.visit(part)

    def _change(self, name: str) -> None:
        if name not in self.hidden:
            self.changed.setdefault(name)


def _either(one: Sure, other: Sure) -> Sure:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _may_swallow(manager: ast.expr) -> bool:
    """Tell whether a `with` may go on after an error in it, as far as its name says."""
    function = manager.func if isinstance(manager, ast.Call) else manager
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("suppress", "raises", "ExitStack", "AsyncExitStack")


def _global_stores(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names that a function binds outside of itself, by `global`."""
    named = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
    stored = (p.id for p in ast.walk(node) if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store))
    return list(dict.fromkeys(name for name in stored if name in named))
