"""The names that a walk through a cell has found so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.notebook.source.ast_scopes import Hidden

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from nbflow.notebook.source.called_code import CalledCode


class FoundNames:
    """What a cell does with its names, and which of them are bound for certain where the walk is.

    Args:
        called: The effects of functions and classes, which count where these are used; without it, what a function
            reads counts where it is defined.

    Attributes:
        read: May be read before they are bound.
        bound: Are bound on some way at least.
        changed: Their objects are changed in place.
        deleted: Are deleted, and not bound again.
        by_value: Are bound to a value.
        by_definition: Are bound by an import, a `def` or a `class`.
        through: Of those read, by what used function or class.
        hinted: May be meant by a text.
        sure: Are bound for certain.
        hidden: Belong to the scopes that are open inside of the cell.
        only_named: Functions and classes are named and not called: as a base class, in an annotation.
    """

    def __init__(self, called: CalledCode | None) -> None:
        self.called = called
        self.read: dict[str, None] = {}
        self.bound: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.deleted: set[str] = set()
        self.by_value: set[str] = set()
        self.by_definition: set[str] = set()
        self.through: dict[str, str] = {}
        self.hinted: dict[str, None] = {}
        self.sure: set[str] = set()
        self.hidden = Hidden()
        self.only_named = False

    def add_read(self, name: str) -> None:
        """Note that a name is read here."""
        if name in self.hidden:
            return
        if name not in self.sure:
            self.read.setdefault(name)
            self.through.pop(name, None)
        if self.called is not None and not self.only_named:
            self.use(name)

    def bind(self, name: str, *, always: bool = False) -> None:
        """Note that a name is bound here; in a function it is the function's own, unless `always`."""
        if self.hidden and not always:
            return
        self.bound.setdefault(name)
        self.sure.add(name)
        self.deleted.discard(name)

    def bind_value(self, name: str) -> None:
        """Note that a name is bound to a value."""
        self.bind(name)
        self.by_value.add(name)

    def bind_definition(self, name: str) -> None:
        """Note that a name is bound by an import, a `def` or a `class`."""
        self.bind(name)
        self.by_definition.add(name)

    def bind_perhaps(self, name: str) -> None:
        """Note that a name is bound by what may not be executed: a function, the inside of a comprehension."""
        was_sure = name in self.sure
        self.bind(name, always=True)
        self.by_value.add(name)
        if not was_sure:
            self.sure.discard(name)

    def delete(self, name: str) -> None:
        """Note that a name is deleted here."""
        self.add_read(name)
        self.sure.discard(name)
        self.deleted.add(name)

    def change(self, name: str | None) -> None:
        """Note that the object of a name is changed in place."""
        if name is not None and name not in self.hidden:
            self.changed.setdefault(name)

    # Code whose effects count where it is used

    @property
    def lazy(self) -> CalledCode | None:
        """The effects of code that is only defined here; None where it counts as executed."""
        return None if self.hidden else self.called

    def carry(self, targets: Iterable[ast.expr], value: ast.expr) -> None:
        """Note that what `targets` hold may call functions that `value` holds, or be objects of its classes."""
        if (called := self.lazy) is not None:
            called.carry(targets, value, self.sure)

    def use(self, name: str) -> None:
        """Count what a function or class does to names as done here."""
        assert self.called is not None
        done = self.called.used(name, self.sure)
        for other in done.read:
            if other not in self.sure and other not in self.read:
                self.read[other] = None
                self.through[other] = name
        for other in done.changed:
            self.changed.setdefault(other)
        for other in done.stored:
            self.bind_perhaps(other)
