"""The tasks that Python's operators make of tasks; each applies its operator to results."""

from __future__ import annotations

from typing import Any

from nbflow.core.expression import Expression
from nbflow.core.task import Task

__all__ = [
    "Add", "And", "Div", "Equal", "FloorDiv", "GetItem", "GreaterThan", "GreaterThanOrEqual", "LessThan",
    "LessThanOrEqual", "Mod", "Mul", "Not", "NotEqual", "Or", "Pow", "Sub",
]  # fmt: skip


class Operator(Task):
    """A task that an operator makes: a condition on it would always be true, whatever its value comes to."""

    def __bool__(self) -> bool:
        raise TypeError(f"{self._no_value()}; so it cannot be a condition: use `case`, or decide inside of a task")


class Add(Operator):
    """Return `x + y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x + y


class Sub(Operator):
    """Return `x - y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x - y


class Mul(Operator):
    """Return `x * y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x * y


class Div(Operator):
    """Return `x / y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x / y


class FloorDiv(Operator):
    """Return `x // y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x // y


class Mod(Operator):
    """Return `x % y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x % y


class Pow(Operator):
    """Return `x**y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x**y


class And(Operator):
    """Return `bool(x and y)`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return bool(x and y)


class Or(Operator):
    """Return `x or y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x or y


class Equal(Operator):
    """Return `x == y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x == y


class NotEqual(Operator):
    """Return `x != y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x != y


class LessThan(Operator):
    """Return `x < y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x < y


class LessThanOrEqual(Operator):
    """Return `x <= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x <= y


class GreaterThan(Operator):
    """Return `x > y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x > y


class GreaterThanOrEqual(Operator):
    """Return `x >= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        return x >= y


class Not(Operator):
    """Return `not x`."""

    def run(self, x: Any) -> Any:  # type: ignore[override]
        return not x


class GetItem(Task):
    """Return `task_result[key]`."""

    def run(self, task_result: Any, key: Any) -> Any:  # type: ignore[override]
        return task_result[key]


Expression._operators = {cls.__name__: cls for cls in (*Operator.__subclasses__(), GetItem)}
