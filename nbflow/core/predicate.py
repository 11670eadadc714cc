"""A method that answers a question, and cannot be mistaken for its answer: `if state.is_failed:` is an error."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _Bound(partial[bool]):
    """The method of one object: to be called; its own truth value, which would always be true, is refused."""

    __slots__ = ()

    def __bool__(self) -> bool:
        name = self.func.__name__
        raise TypeError(f"{name} is a method, and always true without parentheses; write .{name}()")

    def __repr__(self) -> str:
        return f"<method {self.func.__qualname__} of {self.args[0]!r}>"


if TYPE_CHECKING:

    def predicate(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """Keep a method from being taken for its answer."""
        return ask

else:

    class predicate:
        """Keep a method from being taken for its answer.

        Called, it is the method it was. Its truth value, asked for where the parentheses were forgotten, raises
        `TypeError` and says so.

        Example:
            >>> class Door:
            ...     @predicate
            ...     def is_open(self):
            ...         return False
            >>> Door().is_open(), Door.is_open(Door())
            (False, False)
            >>> not Door().is_open
            Traceback (most recent call last):
            ...
            TypeError: is_open is a method, and always true without parentheses; write .is_open()
        """

        def __init__(self, ask: Callable[[Any], bool]) -> None:
            self.ask = ask

        def __get__(self, found: object, owner: type | None = None) -> Any:
            return self.ask if found is None else _Bound(self.ask, found)
