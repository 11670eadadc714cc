"""Managers that pass any number of positional arguments on.

All arguments of a task travel by name, so those that have none are called `argument_1`, `argument_2` and so on, in the
flow as in its drawing, and are put back in their places when the manager is made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbflow.core.resource import ResourceManager

if TYPE_CHECKING:
    from nbflow.core.block import Block
    from nbflow.core.graph import Graph

_NAME = re.compile(r"argument_(\d+)")


class VarargsManager(ResourceManager):
    """A resource manager whose class takes one argument and then any number of further ones."""

    def __call__(self, *args: Any, flow: Graph | None = None, **kwargs: Any) -> Block:
        """Add a block, as `ResourceManager` does; `args` may be tasks like all others."""
        named = {f"argument_{number}": value for number, value in enumerate(args[1:], start=1)}
        return super().__call__(*args[:1], flow=flow, **named, **kwargs)


def split(kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional arguments in `kwargs` in their order, and the others.

    Example:
        >>> split({"argument_2": "b", "mode": "r", "argument_1": "a"})
        (['a', 'b'], {'mode': 'r'})
    """
    numbers = {name: int(found[1]) for name in kwargs if (found := _NAME.fullmatch(name))}
    placed = [kwargs[name] for name in sorted(numbers, key=numbers.__getitem__)]
    return placed, {name: value for name, value in kwargs.items() if name not in numbers}
