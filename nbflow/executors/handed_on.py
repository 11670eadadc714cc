"""What calls of one bundle give to later ones of it, without a way back to the kernel.

Each gets what it would get if the value had travelled to the kernel and back: a copy of its own, so that nobody sees
what others do to it. Where there can be none, the run sees to those that expect it, as it does when a call fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import is_one_shot
from nbflow.core.data.value_type import identity
from nbflow.engine.attempt import RECALLED
from nbflow.engine.object_versions import ATOMS
from nbflow.executors.parcel import unpacked_here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.engine.attempt import Outcome
    from nbflow.executors.parcel import Shipped


def can_be_handed_on(outcome: Outcome) -> bool:
    """Tell whether calls that expect this one may begin: it ended well, and each taker can have its value.

    An iterator is used up by its first taker, so it is the kernel that hands it out.
    """
    if outcome is RECALLED or outcome.error is not None:
        return False
    return identity(type(outcome.value)) in ATOMS or not is_one_shot(outcome.value)


class HandedOn:
    """The values that calls of one bundle take of earlier ones.

    Args:
        calls: The bundle, in order.

    Attributes:
        passed_over: The numbers of those that are not made: something that they expect is not handed on.
    """

    def __init__(self, calls: Sequence[Shipped]) -> None:
        self.passed_over: set[int] = set()
        self._below: dict[int, list[int]] = {}
        self._takers: dict[int, int] = {}  # how many take a value
        for number, shipped in enumerate(calls):
            for up, keys in shipped.expects.items():
                self._below.setdefault(up, []).append(number)
                self._takers[up] = self._takers.get(up, 0) + bool(keys)
        self._values: dict[int, Any] = {}
        self._parts: dict[int, list[Any]] = {}  # of those values that further calls take: they are copied again

    def ended(self, number: int, outcome: Outcome, parts: Sequence[Any]) -> bool:
        """Note what came of a call, and as which bytes it travels; False if what expects it is passed over."""
        if number not in self._below:
            return True
        if can_be_handed_on(outcome) and self._keep(number, outcome.value, parts):
            return True
        pending = [number]
        while pending:
            new = [below for below in self._below.get(pending.pop(), ()) if below not in self.passed_over]
            self.passed_over.update(new)
            pending += new
        return False

    def give(self, expects: Mapping[int, Sequence[str]], inputs: dict[str, Any]) -> None:
        """Put into the inputs of a call what it takes of earlier ones."""
        for up, keys in expects.items():
            if keys:
                value = self._take(up)  # the same as several arguments
                for key in keys:
                    inputs[key] = value

    def _keep(self, number: int, value: Any, parts: Sequence[Any]) -> bool:
        if not self._takers[number]:
            return True
        if identity(type(value)) in ATOMS:
            self._values[number] = value
            return True
        try:
            # The buffers of arrays are still those of the value itself, which who has made it may have kept.
            own = [parts[0], *map(bytearray, parts[1:])]
            self._values[number] = copy = unpacked_here(own)[0]
        except Exception:  # noqa: BLE001 - a user's object that cannot be made again, as the kernel will find too
            return False
        if self._takers[number] > 1:
            self._parts[number] = own
        return not is_one_shot(copy)

    def _take(self, number: int) -> Any:
        self._takers[number] -= 1
        if not self._takers[number]:
            self._parts.pop(number, None)
            return self._values.pop(number)
        parts = self._parts.get(number)
        if parts is None:
            return self._values[number]
        return unpacked_here([parts[0], *map(bytearray, parts[1:])])[0]
