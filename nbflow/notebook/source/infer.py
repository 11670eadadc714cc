"""The names that a cell reads, binds and changes, by its syntax tree: they make it a task without being told.

Pure functions of the source; nothing is executed. A name counts as read when it may be read before the cell has bound
it for certain, on any way through its branches and loops; what stands in a function counts as read where the function
is defined. A name counts as bound when it is bound on every way through the cell.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbflow.notebook.source.control_flow import walk
from nbflow.notebook.source.names_in_strings import ANY_NAME, SOME_TEXT, words_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbflow.notebook.source.called_code import Body

_OF_SHELL = frozenset({"_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh", "_dh", "In", "Out", "_exit_code"})


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
        through: Of those read, which are read by a function or class that the cell uses: by the name of that.
        bodies: What the functions and classes that the cell binds do to names when they are used.
        hinted: May be meant by a text, as in `sql("select * from table")`.
        reads_any: Whether it looks up names that only the run knows, as `globals()[f"day_{n}"]` does.
        in_texts: The words of its texts, if it evaluates one that only the run knows, as `eval(text)` does.
    """

    reads_any: bool = False
    in_texts: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    passing: frozenset[str] = frozenset()
    definitions: frozenset[str] = frozenset()
    through: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[str, Body] = field(default_factory=dict)
    hinted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The parts that the names of a cell play for its task.

    Attributes:
        inputs: Come from other tasks.
        outputs: Are given to other tasks.
        changes: Inputs whose objects the cell changes in place.
        through: Inputs that a function reads which the cell uses, by the name of that.
        spare: Names that it binds, but that are given only when a cell below reads them.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    through: Mapping[str, str] = field(default_factory=dict)
    spare: tuple[str, ...] = ()


def names_of(tree: ast.Module, resolve: Callable[[str], Body | None] | None = None) -> CellNames:
    """Find the names of a cell, which IPython's own syntax has been translated to Python in.

    `resolve` tells what a function or class of other cells does to names when it is used. With it, what functions read
    counts where they are used; without it, where they are defined.
    """
    found, sure = walk(tree.body, resolve, displayed=tree.body[-1] if tree.body else None)
    bound = set() if sure is None else sure
    return CellNames(
        read=tuple(name for name in found.read if name not in (ANY_NAME, SOME_TEXT)),
        reads_any=ANY_NAME in found.read,
        in_texts=tuple(dict.fromkeys(words_in(tree))) if SOME_TEXT in found.read else (),
        bound=tuple(name for name in found.bound if name in bound),
        maybe=tuple(name for name in found.bound if name not in bound and name not in found.deleted),
        changed=tuple(found.changed),
        passing=frozenset(found.bound) - found.by_value - found.by_definition,
        definitions=frozenset(found.by_definition - found.by_value),
        through=found.through,
        bodies={} if found.called is None else found.called.bodies,
        hinted=tuple(found.hinted),
    )


def roles(
    names: CellNames,
    given: Collection[str],
    *,
    needs: Sequence[str] | None = None,
    gives: Sequence[str] | None = None,
    late: Collection[str] = (),
    at_once: Collection[str] = (),
    wanted: Collection[str] = (),
    kept: Collection[str] = (),
) -> Roles:
    """Decide what a cell takes and gives.

    It takes the names it reads that other tasks give, also those it may leave as they are. It gives what it binds for
    certain and what it changes. Imports, names that begin with an underscore, loop variables and what it binds on some
    ways only it gives if a cell below reads them.

    Args:
        names: The names of the cell.
        given: The names that other tasks give.
        needs: What it takes, instead of what would be found.
        gives: What it gives, instead of what would be found.
        late: The functions and classes that its task defines, because they need values to be defined.
        at_once: What the cell defines when it is executed, before its task runs.
        wanted: What cells below read.
        kept: Resources of blocks: a cell that uses one makes no new version of it.
    """
    is_private = frozenset(n for n in (*names.bound, *names.maybe, *names.changed) if n.startswith("_"))
    left_out = (names.definitions - set(late)) | names.passing | is_private
    asked = {*(gives or ()), *(n for n in wanted if n not in at_once)}
    may_stay = [n for n in names.maybe if n not in left_out or n in asked]
    found = dict.fromkeys(n for n in (*names.read, *may_stay, *names.hinted) if n in given)
    inputs = tuple(found) if needs is None else tuple(dict.fromkeys(needs))
    taken = set(inputs)
    changes = tuple(n for n in names.changed if n in taken and n not in kept)
    outputs = [n for n in names.bound if n not in left_out]
    outputs += [n for n in names.maybe if n in taken and n not in left_out]
    outputs += [n for n in changes if n not in is_private or n in wanted]
    more = (*names.bound, *names.maybe, *changes)
    spare = [n for n in more if n not in outputs and n not in at_once]
    outputs += [n for n in spare if n in asked]
    return Roles(
        inputs=inputs,
        outputs=tuple(dict.fromkeys(outputs if gives is None else gives)),
        changes=changes,
        through={n: by for n, by in names.through.items() if n in taken},
        spare=tuple(n for n in dict.fromkeys(spare) if not is_shell_name(n)) if gives is None else (),
    )


def ordinary_statements(tree: ast.Module, values: Collection[str]) -> list[ast.stmt]:
    """Return the imports, functions and classes at the top of a cell that need no value of a task to be defined.

    They can be executed when the cell is, as in any cell. What a function reads when it is called does not count: it
    gets the values then. A function whose default, decorator or annotation needs a value is part of the task, and so is
    a class with one in its body, and what is bound a second time or used above its definition. The names of such
    `values` are those of the cell's inputs and those that it binds itself.
    """
    found = [node for node in tree.body if is_definition(node)]
    walks = {node: walk([node], lambda _: None)[0] for node in tree.body}
    own = {name for node in tree.body if not is_definition(node) for name in walks[node].bound}
    busy = set(values) | own
    counts = Counter(name for node in found for name in walks[node].bound if not _is_any_import(node))
    busy.update(name for name, count in counts.items() if count > 1)
    read: set[str] = set()
    for node in tree.body:
        if node in found and not _is_any_import(node):
            busy.update(read & set(walks[node].bound))
        read.update(walks[node].read)
    while True:
        late = [n for n in found if not busy.isdisjoint((*walks[n].read, *_bound_by_definition(n)))]
        if not late:
            return found
        found = [node for node in found if node not in late]
        busy.update(*(walks[node].bound for node in late))


def _bound_by_definition(node: ast.stmt) -> tuple[str, ...]:
    return () if _is_any_import(node) else (node.name,)  # type: ignore[attr-defined]


def _is_any_import(node: ast.stmt) -> bool:
    return not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def is_shell_name(name: str) -> bool:
    """Tell whether a name is one that IPython binds itself: `_`, `_3`, `Out`, `In` and the like."""
    return name in _OF_SHELL or (name[:1] == "_" and name.lstrip("_i").isdigit())


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
