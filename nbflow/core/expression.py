"""Python's operators on tasks: each makes a task that will apply it to the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.errors import NotIterableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.core.graph import Graph
    from nbflow.core.task import Task

__all__ = ["Expression"]


class Expression:
    """What a task can do in an expression. Comparison for equality and truth stay Python's.

    `a | b` is no "or": it lets b come after a, and gives b.
    """

    name: str
    nout: int | None

    def __iter__(self) -> Iterator[Task]:
        if self.nout is None:
            raise NotIterableError(
                f"Task is not iterable: {self!r}. If it returns several results, tell their number with `nout`, "
                "as in @task(nout=2), or with a return annotation such as tuple[int, str]"
            )
        return map(self.__getitem__, range(self.nout))

    def __getitem__(self, key: Any) -> Task:
        label = key.name if isinstance(key, Expression) else repr(key)
        return self._operate("GetItem", self, key, name=f"{self.name}[{label}]")

    def __or__(self, other: Any) -> Task:
        return self._flow_for_edges().add_edge(self, other).downstream_task

    def __ror__(self, other: Any) -> Task:
        return self._flow_for_edges().add_edge(other, self).downstream_task

    def _flow_for_edges(self, flow: Graph | None = None) -> Graph:
        raise NotImplementedError

    @staticmethod
    def _operate(operator: str, *operands: Any, **task_args: Any) -> Task:
        from nbflow.core import operators

        cls: type[Task] = getattr(operators, operator)
        return cls(**task_args).bind(*operands)

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

    def __add__(self, other: Any) -> Task:
        return self._operate("Add", self, other)

    def __radd__(self, other: Any) -> Task:
        return self._operate("Add", other, self)

    def __sub__(self, other: Any) -> Task:
        return self._operate("Sub", self, other)

    def __rsub__(self, other: Any) -> Task:
        return self._operate("Sub", other, self)

    def __mul__(self, other: Any) -> Task:
        return self._operate("Mul", self, other)

    def __rmul__(self, other: Any) -> Task:
        return self._operate("Mul", other, self)

    def __truediv__(self, other: Any) -> Task:
        return self._operate("Div", self, other)

    def __rtruediv__(self, other: Any) -> Task:
        return self._operate("Div", other, self)

    def __floordiv__(self, other: Any) -> Task:
        return self._operate("FloorDiv", self, other)

    def __rfloordiv__(self, other: Any) -> Task:
        return self._operate("FloorDiv", other, self)

    def __mod__(self, other: Any) -> Task:
        return self._operate("Mod", self, other)

    def __rmod__(self, other: Any) -> Task:
        return self._operate("Mod", other, self)

    def __pow__(self, other: Any) -> Task:
        return self._operate("Pow", self, other)

    def __rpow__(self, other: Any) -> Task:
        return self._operate("Pow", other, self)

    def __and__(self, other: Any) -> Task:
        return self._operate("And", self, other)

    def __rand__(self, other: Any) -> Task:
        return self._operate("And", other, self)

    def __lt__(self, other: Any) -> Task:
        return self._operate("LessThan", self, other)

    def __le__(self, other: Any) -> Task:
        return self._operate("LessThanOrEqual", self, other)

    def __gt__(self, other: Any) -> Task:
        return self._operate("GreaterThan", self, other)

    def __ge__(self, other: Any) -> Task:
        return self._operate("GreaterThanOrEqual", self, other)
