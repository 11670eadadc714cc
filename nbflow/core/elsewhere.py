"""What a state holds in place of a value that is not in the kernel's memory; the engine makes such stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Elsewhere(Protocol):
    """Stands for a value that is not in the kernel's memory; pickled, it is the value."""

    def look(self) -> Any:
        """Return the value for a person: it is fetched once, and the same from then on."""

    def look_at_all(self, values: Sequence[Elsewhere]) -> None:
        """Fetch several such values, itself among them, for `look` to return."""


def fetch_results(states: Iterable[Any]) -> None:
    """Fetch what of the results of states is elsewhere, all at once."""
    remote = [one for state in states if (one := getattr(state, "remote", None)) is not None]
    if remote:
        remote[0].look_at_all(remote)
