"""The facts of a value that stay known when it is no longer in memory."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_traits import size_of
from nbflow.core.data.value_type import package_of, qualified_type_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.remote_value import RemoteFacts

MEMORY, RELEASED, WORKER = "memory", "released", "worker"
_SHORT = 120
_LENGTHS = (list, tuple, dict, set, frozenset, str, bytes, bytearray, range)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFacts:
    """The facts of a task's value.

    Attributes:
        type: The name of its type.
        size: How many bytes it holds, estimated; None if that is not known.
        length: How many items it has; None if it has none, or that is not known without asking it.
        repr: A short text.
        fingerprint: Equal for equal values; None if it cannot be known.
        source: Where it came from: "computed", "reused", "cached", "edited" or "pinned".
        where: Where it is: "memory", "worker" (it stays where its task ran until somebody looks) or "released".
    """

    type: str
    size: int | None
    length: int | None
    repr: str
    fingerprint: str | None
    source: str = "computed"
    where: str = MEMORY


class KnownValues(dict["Task", ValueFacts]):
    """The facts of the values of a run, by task."""

    def __init__(self, facts: dict[Task, ValueFacts], held_bytes: Callable[[], int]) -> None:
        super().__init__(facts)
        self._held_bytes = held_bytes

    @property
    def held_bytes(self) -> int:
        """The memory that the values of the run take in bytes, estimated; what tasks share counts once."""
        return self._held_bytes()


def facts_of(
    value: Any, *, source: str, where: str, print_of: Callable[[Any], str | None] = known_fingerprint
) -> ValueFacts:
    """Return the facts of a value; never raises, and asks it for nothing that could take long."""
    kind = type_of(value)
    shape = getattr(value, "shape", None) if package_of(value) in ("numpy", "pandas") else None
    return ValueFacts(
        type=qualified_type_name(value),
        size=size_of(value),
        length=len(value) if kind in _LENGTHS else shape[0] if shape else None,
        repr=_short(value, kind, shape),
        fingerprint=print_of(value),
        source=source,
        where=where,
    )


def facts_of_reference(reference: Any, *, source: str) -> ValueFacts:
    """Return the facts of a value that is elsewhere, from what stands for it; fetches nothing."""
    known: RemoteFacts = reference.facts
    return ValueFacts(
        type=known.type,
        size=known.size,
        length=known.length,
        repr=known.repr,
        fingerprint=known.fingerprint,
        source=source,
        where=WORKER if reference.gone is None else MEMORY if reference.is_here else RELEASED,
    )


def _short(value: Any, kind: type, shape: Any) -> str:
    if shape is not None:
        return f"<{qualified_type_name(value)} of shape {shape}>"
    if kind in _LENGTHS or kind in (int, float, bool, complex, type(None)):
        try:
            return reprlib.repr(value)[:_SHORT]
        except BaseException:  # noqa: BLE001 - what is inside may raise anything
            return f"<{qualified_type_name(value)}>"
    return f"<{qualified_type_name(value)}>"
