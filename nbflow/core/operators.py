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


class Add(Task):
    """Return `x + y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x + y`."""
        return x + y


class Sub(Task):
    """Return `x - y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x - y`."""
        return x - y


class Mul(Task):
    """Return `x * y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x * y`."""
        return x * y


class Div(Task):
    """Return `x / y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x / y`."""
        return x / y


class FloorDiv(Task):
    """Return `x // y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x // y`."""
        return x // y


class Mod(Task):
    """Return `x % y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x % y`."""
        return x % y


class Pow(Task):
    """Return `x**y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x**y`."""
        return x**y


class And(Task):
    """Return `bool(x and y)`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `bool(x and y)`."""
        return bool(x and y)


class Or(Task):
    """Return `x or y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x or y`."""
        return x or y


class Equal(Task):
    """Return `x == y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x == y`."""
        return x == y


class NotEqual(Task):
    """Return `x != y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x != y`."""
        return x != y


class LessThan(Task):
    """Return `x < y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x < y`."""
        return x < y


class LessThanOrEqual(Task):
    """Return `x <= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x <= y`."""
        return x <= y


class GreaterThan(Task):
    """Return `x > y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x > y`."""
        return x > y


class GreaterThanOrEqual(Task):
    """Return `x >= y`."""

    def run(self, x: Any, y: Any) -> Any:  # type: ignore[override]
        """Return `x >= y`."""
        return x >= y


class Not(Task):
    """Return `not x`."""

    def run(self, x: Any) -> Any:  # type: ignore[override]
        """Return `not x`."""
        return not x


class GetItem(Task):
    """Return `task_result[key]`."""

    def run(self, task_result: Any, key: Any) -> Any:  # type: ignore[override]
        """Return `task_result[key]`."""
        return task_result[key]
