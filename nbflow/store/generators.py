"""States of the global generators of random numbers, as texts can hold them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def packed(states: Mapping[str, Any]) -> dict[str, Any]:
    """Return states, by the name of the module, made of what JSON knows."""
    return {name: _plain(state) for name, state in states.items()}


def unpacked(states: Mapping[str, Any]) -> dict[str, Any]:
    """Return states that `packed` was given.

    Raises:
        ValueError, TypeError: If one can be no state.
    """
    found: dict[str, Any] = {}
    for name, state in states.items():
        if name == "random":
            version, numbers, gauss = state
            found[name] = version, tuple(numbers), gauss
            random.Random().setstate(found[name])
        elif name == "numpy.random":
            if not isinstance(state, dict) or not isinstance(state.get("state"), dict):
                raise TypeError(f"no state of {name}")
            found[name] = state
        else:
            raise ValueError(f"no generator {name}")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (int, float, str, type(None))) else value.tolist()
