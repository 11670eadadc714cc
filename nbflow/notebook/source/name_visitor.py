"""The walk through a cell's syntax tree that finds which names it reads, binds and changes; see `infer`."""

# ruff: noqa: D102 - a method follows the kind of node that it is named after
from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.notebook.source.ast_scopes import Hidden, function_locals, hidden_names
from nbflow.notebook.source.changes import changed_by_call, is_assignment_free_call, root_name
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
    from collections.abc import Callable, Collection, Iterable, Sequence

__all__ = ["Body", "NameVisitor", "Sure"]

Sure = set[str] | None  # the names bound for certain; None where no way leads


# They leave the call of the function to others.
_WRAPPERS = frozenset(
    {
        *(
            "lru_cache",
            "cache",
            "wraps",
            "njit",
            "jit",
            "vectorize",
            "guvectorize",
            "contextmanager",
            "partial",
        ),
        *("asynccontextmanager", "staticmethod", "classmethod", "property", "setter", "cached_property"),
        *(
            "dataclass",
            "total_ordering",
            "singledispatch",
            "register",
            "abstractmethod",
            "overload",
            "fixture",
        ),
        *("task", "resource_manager", "numba_njit", "delayed", "no_grad"),
    }
)
# What they return holds what they were given.
_CARRIERS = frozenset(
    {
        *(
            "partial",
            "partialmethod",
            "lru_cache",
            "cache",
            "njit",
            "jit",
            "vectorize",
            "update_wrapper",
            "wraps",
        ),
        *(
            "list",
            "tuple",
            "dict",
            "set",
            "sorted",
            "zip",
            "deque",
            "defaultdict",
            "OrderedDict",
            "copy",
            "deepcopy",
        ),
        *(
            "singledispatch",
            "contextmanager",
            "SimpleNamespace",
            "namedtuple",
            "iter",
            "reversed",
            "enumerate",
        ),
    }
)


# What these methods return works only as long as their object does: a cursor of a connection, a future of a client.
_HANDLES = frozenset(
    {
        *(
            "cursor",
            "execute",
            "connect",
            "begin",
            "session",
            "transaction",
            "channel",
            "pipeline",
            "get_client",
        ),
        *("submit", "scatter", "persist", "create_task", "acquire"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What it does to the names of the notebook when somebody calls a function, or uses an object of a class.

    Attributes:
        read: May be read by it.
        changed: Their objects are changed in place.
        stored: Are bound by `global`.
        makes: Whether what it returns may read them too: a class makes objects, other functions make functions.
    """

    read: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()
    makes: bool = False

    def __or__(self, other: Body | None) -> Body:
        """Return what one or the other does."""
        if other is None or other == self:
            return self
        return Body(
            read=_both(self.read, other.read),
            changed=_both(self.changed, other.changed),
            stored=_both(self.stored, other.stored),
            makes=self.makes or other.makes,
        )


class NameVisitor(ast.NodeVisitor):
    """Follows the ways through a cell in the order of execution, knowing at each place what is bound for certain.

    Args:
        displayed: The statement whose value the cell shows.
        resolve: Tells what a function or class of other cells does to names when it is used. With it, what a
            function of the cell reads counts where the function is used; without it, where it is defined.
    """

    def __init__(
        self, displayed: ast.stmt | None = None, resolve: Callable[[str], Body | None] | None = None
    ) -> None:
        self.displayed = displayed
        self.resolve = resolve
        self.bodies: dict[str, Body] = {}
        self.through: dict[str, str] = {}
        self.hinted: dict[str, None] = {}
        self._asked: set[ast.expr] = set()  # calls of `globals` for one name
        self._only_named = False  # a base class or an annotation: nobody calls it there
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
    def of(cls, nodes: list[ast.stmt], resolve: Callable[[str], Body | None] | None = None) -> NameVisitor:
        """Walk through some statements, whose values nobody shows."""
        walk = cls(resolve=resolve)
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
        self._carry([node.target], node.iter)
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
                self._carry([item.optional_vars], item.context_expr)
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
        is_named = all(isinstance(target, ast.Name) for target in node.targets)
        if isinstance(node.value, ast.Lambda) and is_named and self._is_lazy:
            self._visit_arguments(node.value.args)
            body: Body | None = self._body_of(node.value)
        else:
            self.visit(node.value)
            body = None
        for target in node.targets:
            self.visit(target)
            if body is not None and isinstance(target, ast.Name):
                self._add_body(target.id, body)
        if body is None:
            self._carry(node.targets, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._name([node.annotation])
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
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            name = root_name(node.value.func)
            if name is not None and dropped and is_assignment_free_call(node.value):
                self._change(name)
                for argument in node.value.args:
                    self._carry([node.value.func], argument)

    # Expressions

    def visit(self, node: ast.AST) -> None:
        asked = names_asked(node)
        if asked is not None:
            self._asked.add(asked)
        super().visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if is_any_names(node) and node not in self._asked:
            self._read(ANY_NAME)
        if evaluates_text(node):
            self._read(SOME_TEXT)
        for name in changed_by_call(node, is_displayed=self._is_displayed(node)):
            self._change(name)
        for child in (*(c for source in python_of_magic(node) for c in source.body), *python_in_call(node)):
            self.visit(child)
        if not self.hidden:
            self.hinted.update(dict.fromkeys(hinted_names(node)))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.generic_visit(node)
        for child in python_in_format(node):
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
        name = key_of_names(node)
        if name is not None:
            self.visit(ast.Name(name, node.ctx))

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

    # Definitions whose bodies count where they are used

    @property
    def _is_lazy(self) -> bool:
        return self.resolve is not None and not self.hidden

    def _body_of(self, node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> Body:
        inner = NameVisitor()
        nodes = [node.body] if isinstance(node, ast.Lambda) else node.body
        inner._inside(function_locals(node), nodes, is_function=True)
        stored = [] if isinstance(node, ast.Lambda) else _global_stores(node)
        return Body(
            read=tuple(inner.read),
            changed=tuple(inner.changed),
            stored=tuple(stored),
            makes=_makes_code(node),
        )

    def _class_body(self, node: ast.ClassDef) -> Body:
        """Visit what is executed when a class is defined, and return what its methods do."""
        body = Body(read=tuple(n.id for n in node.bases if isinstance(n, ast.Name)), makes=True)
        with self.hidden.adding(function_locals(node), is_function=True):
            for child in node.body:
                if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    self.visit(child)
                    continue
                for part in child.decorator_list:
                    self.visit(part)
                self._visit_arguments(child.args)
                if child.returns is not None:
                    self._name([child.returns])
                body |= self._body_of(child)
        return body

    def _add_body(self, name: str, body: Body) -> None:
        self.bodies[name] = body | self.bodies.get(name)

    def _carry(self, targets: Iterable[ast.expr], value: ast.expr) -> None:
        """Note that what `targets` hold may call functions that `value` holds, or be objects of its classes."""
        if not self._is_lazy:
            return
        held = dict.fromkeys(self._held_in(value))
        if not held:
            return
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and part.id not in held:
                    self._add_body(part.id, Body(read=tuple(held)))

    def _held_in(self, value: ast.expr) -> list[str]:
        found: list[str] = []
        pending: list[ast.AST] = [value]
        while pending:
            part = pending.pop()
            if isinstance(part, ast.Name):
                found += [part.id] if self._body(part.id) is not None else []
            elif isinstance(part, ast.Call):
                name = root_name(part.func)
                called = part.func.attr if isinstance(part.func, ast.Attribute) else name
                makes = name is not None and self._makes(name, set())
                is_handle = isinstance(part.func, ast.Attribute) and _is_handle(called or "", name or "")
                found += [name] if (makes or is_handle) and name is not None else []
                if makes or called in _CARRIERS:
                    pending += [*part.args, *(word.value for word in part.keywords)]
            elif isinstance(part, ast.Subscript):
                pending.append(part.value)
            elif isinstance(part, ast.Lambda):
                found += [name for name in self._body_of(part).read if name not in found]
            elif not isinstance(part, (ast.Attribute, ast.Compare)):
                pending += ast.iter_child_nodes(part)
        return found

    def _makes(self, name: str, seen: set[str]) -> bool:
        body = None if name in seen else self._body(name)
        seen.add(name)
        return body is not None and (body.makes or any(self._makes(other, seen) for other in body.read))

    def _body(self, name: str) -> Body | None:
        """Return what the function or class that a name stands for here does to names."""
        own = self.bodies.get(name)
        if self.resolve is None or name in self.sure:
            return own
        outer = self.resolve(name)
        return outer if own is None else own | outer

    def _use(self, name: str, first: str, seen: set[str]) -> None:
        """Count what a function or class does to names as done here."""
        body = self._body(name)
        if body is None:
            return
        for other in body.read:
            if other in seen:
                continue
            seen.add(other)
            if other not in self.sure and other not in self.read:
                self.read[other] = None
                self.through[other] = first
            self._use(other, first, seen)
        for other in body.changed:
            self.changed.setdefault(other)
        for other in body.stored:
            self._bind_perhaps(other)

    def _bind_perhaps(self, name: str) -> None:
        """Bind a name in a function that may not be called."""
        was_sure = name in self.sure
        self._bind(name, always=True)
        self.by_value.add(name)
        if not was_sure:
            self.sure.discard(name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_arguments(node.args)
        self._inside(function_locals(node), [node.body], is_function=True)

    # Definitions

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._visit_arguments(node.args)
        if node.returns is not None:
            self._name([node.returns])
        is_lazy = self._is_lazy
        self._bind(node.name)
        self.by_definition.add(node.name)
        if is_lazy:
            self._add_body(node.name, self._body_of(node))
            if not all(map(_only_wraps, node.decorator_list)):
                self._use(node.name, node.name, {node.name})
            return
        for name in _global_stores(node):
            self._bind_perhaps(name)  # the function may never be called
        self._inside(function_locals(node), node.body, is_function=True)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.decorator_list:
            self.visit(part)
        self._name([*node.bases, *node.keywords])
        body = self._class_body(node) if self._is_lazy else None
        if body is None:
            self._inside(function_locals(node), node.body, is_function=True)
        self._bind(node.name)
        self.by_definition.add(node.name)
        if body is not None:
            self._add_body(node.name, body)
            if not all(map(_only_wraps, node.decorator_list)):
                self._use(node.name, node.name, {node.name})

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
                self._name([argument.annotation])

    def _name(self, nodes: Iterable[ast.AST]) -> None:
        """Visit what names functions and classes without calling them."""
        before, self._only_named = self._only_named, True
        for node in nodes:
            self.visit(node)
        self._only_named = before

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
        if name in self.hidden:
            return
        if name not in self.sure:
            self.read.setdefault(name)
            self.through.pop(name, None)
        if self.resolve is not None and not self._only_named:
            self._use(name, name, {name})

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


def _is_handle(method: str, owner: str) -> bool:
    runs_calls = any(word in owner.lower() for word in ("client", "pool", "executor"))
    return method in _HANDLES or (method == "map" and runs_calls)


def _makes_code(node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function returns functions or classes that it has made."""
    if isinstance(node, ast.Lambda):
        return any(isinstance(part, ast.Lambda) for part in ast.walk(node.body))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    made = {part.name for part in ast.walk(node) if isinstance(part, kinds)}
    returned = (
        part.value for part in ast.walk(node) if isinstance(part, (ast.Return, ast.Yield)) and part.value
    )
    return any(
        isinstance(part, ast.Lambda) or (isinstance(part, ast.Name) and part.id in made)
        for value in returned
        for part in ast.walk(value)
    )


def _only_wraps(decorator: ast.expr) -> bool:
    """Tell whether a decorator leaves the call of what it decorates to others."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _WRAPPERS


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
