"""The tasks that Python's operators make of tasks; each applies its operator to results."""

from __future__ import annotations

from typing import Any

from nbflow.core.task import Task

__all__ = [
    "Add",
    "And",
    "Div",
    "Equal",
    "FloorDiv",
    "GetItem",
    "GreaterThan",
    "GreaterThanOrEqual",
    "LessThan",
    "LessThanOrEqual",
    "Mod",
    "Mul",
    "Not",
    "NotEqual",
    "Or",
    "Pow",
    "Sub",
]


class _Operator(Task):
    """What an operator makes: a condition on it would always be true, whatever its value comes to."""

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self._no_value()}; so it cannot be a condition: use `case`, or decide inside of a task"
        )


class Add(_Operator):
    """Return `x + y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x + y`."""
        return x + y


class Sub(_Operator):
    """Return `x - y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x - y`."""
        return x - y


class Mul(_Operator):
    """Return `x * y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x * y`."""
        return x * y


class Div(_Operator):
    """Return `x / y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x / y`."""
        return x / y


class FloorDiv(_Operator):
    """Return `x // y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x // y`."""
        return x // y


class Mod(_Operator):
    """Return `x % y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x % y`."""
        return x % y


class Pow(_Operator):
    """Return `x**y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x**y`."""
        return x**y


class And(_Operator):
    """Return `bool(x and y)`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `bool(x and y)`."""
        return bool(x and y)


class Or(_Operator):
    """Return `x or y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x or y`."""
        return x or y


class Equal(_Operator):
    """Return `x == y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x == y`."""
        return x == y


class NotEqual(_Operator):
    """Return `x != y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x != y`."""
        return x != y


class LessThan(_Operator):
    """Return `x < y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x < y`."""
        return x < y


class LessThanOrEqual(_Operator):
    """Return `x <= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x <= y`."""
        return x <= y


class GreaterThan(_Operator):
    """Return `x > y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x > y`."""
        return x > y


class GreaterThanOrEqual(_Operator):
    """Return `x >= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x >= y`."""
        return x >= y


class Not(_Operator):
    """Return `not x`."""

    def run(self, x: Any) -> Any:  # type: ignore[override]
        """Return `not x`."""
        return not x


class GetItem(Task):
    """Return `task_result[key]`."""

    def run(self, task_result: Any, key: Any) -> Any:  # type: ignore[override]
        """Return `task_result[key]`."""
        return task_result[key]
