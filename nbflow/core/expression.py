"""Python's operators on tasks: each makes a task that will apply it to the results."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.context import thread
from nbflow.core.ownership import is_ours
from nbflow.core.short_text import short_text
from nbflow.errors import NotIterableError, TaskAttributeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.core.graph import Graph
    from nbflow.core.task import Task


def _left(operator: str) -> Callable[[Expression, Any], Task]:
    """Return the method of an operator for a task on its left."""
    return lambda self, other: self._operate(operator, self, other)


def _right(operator: str) -> Callable[[Expression, Any], Task]:
    """Return the method of an operator for a task on its right, with something else on its left."""
    return lambda self, other: self._operate(operator, other, self)


class Expression:
    """A task as a part of expressions. Comparison for equality stays Python's.

    `a | b` is no "or": it lets b come after a, and gives b. A task is true; where it has been taken for its value, in
    an ordinary cell of a notebook, a warning says so. The tasks that operators make have no truth value.
    """

    name: str
    nout: int | None
    # How to see the value of a task that is in a flow; set by the notebook.
    _value_hint: ClassVar[Callable[[Any], str | None] | None] = None
    _operators: ClassVar[dict[str, type[Task]]] = {}  # by name; `operators` sets it, where they are tasks

    def _no_value(self) -> str:
        """Return that this is a task and not its value, and how to see that."""
        hint = None if Expression._value_hint is None else Expression._value_hint(self)
        return f"{self!r} stands for a task, not for its value: {hint or 'a run computes it, see run.results'}"

    def __bool__(self) -> bool:
        hint_of = Expression._value_hint
        if (
            hint_of is not None
            and is_ours(sys._getframe(1).f_globals.get("__name__"))
            and thread.data.get("flow") is None
            and hint_of(self) is not None
        ):
            warnings.warn(f"{self._no_value()}. As a condition it is always true", stacklevel=2)
        return True

    def __len__(self) -> int:
        raise TypeError(self._no_value())

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            error = TaskAttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}. It stands for a result that exists only "
                "when the flow runs: did you mean to use it inside of a function decorated with @task?"
            )
            error.obj = self
            raise error

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        hint_of = Expression._value_hint
        hint = hint_of(self) if hint_of is not None and thread.data.get("flow") is None else None
        return {"text/plain": repr(self) if hint is None else f"{self!r}: {hint}"}

    def __iter__(self) -> Iterator[Task]:
        if self.nout is None:
            raise NotIterableError(
                f"Task is not iterable: {self!r}. If it returns several results, tell their number with `nout`, "
                "as in @task(nout=2), or with a return annotation such as tuple[int, str]"
            )
        return map(self.__getitem__, range(self.nout))

    def __getitem__(self, key: Any) -> Task:
        label = key.name if isinstance(key, Expression) else short_text(key)
        return self._operate("GetItem", self, key, name=f"{self.name}[{label}]")

    def __or__(self, other: Any) -> Task:
        return self._flow_for_edges().add_edge(self, other).downstream_task

    def __ror__(self, other: Any) -> Task:
        return self._flow_for_edges().add_edge(other, self).downstream_task

    def _flow_for_edges(self, flow: Graph | None = None) -> Graph:
        raise NotImplementedError

    @staticmethod
    def _operate(operator: str, *operands: Any, **task_args: Any) -> Task:
        return Expression._operators[operator](**task_args).bind(*operands)

    def is_equal(self, other: Any) -> Task:
        """Return a task that compares the results: `self == other`."""
        return self._operate("Equal", self, other)

    def is_not_equal(self, other: Any) -> Task:
        """Return a task that compares the results: `self != other`."""
        return self._operate("NotEqual", self, other)

    def not_(self) -> Task:
        """Return a task that negates the result: `not self`."""
        return self._operate("Not", self)

    def or_(self, other: Any) -> Task:
        """Return a task for the truth of `self or other`."""
        return self._operate("Or", self, other)

    __add__, __radd__ = _left("Add"), _right("Add")
    __sub__, __rsub__ = _left("Sub"), _right("Sub")
    __mul__, __rmul__ = _left("Mul"), _right("Mul")
    __truediv__, __rtruediv__ = _left("Div"), _right("Div")
    __floordiv__, __rfloordiv__ = _left("FloorDiv"), _right("FloorDiv")
    __mod__, __rmod__ = _left("Mod"), _right("Mod")
    __pow__, __rpow__ = _left("Pow"), _right("Pow")
    __and__, __rand__ = _left("And"), _right("And")
    __lt__, __le__ = _left("LessThan"), _left("LessThanOrEqual")
    __gt__, __ge__ = _left("GreaterThan"), _left("GreaterThanOrEqual")
