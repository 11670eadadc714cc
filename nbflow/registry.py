"""The flows made in this notebook, by name: `nbflow.flows`."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from difflib import get_close_matches

from nbflow.errors import UnknownFlowError
from nbflow.flow import Flow


class Flows(MutableMapping[str, Flow]):
    """The flows that `%%flow` made, and those put here by hand, by name in the order in which they were made.

    Example:
        >>> flows = Flows()
        >>> flows.get_or_create("etl") is flows["etl"]
        True
    """

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}

    def __getitem__(self, name: str) -> Flow:
        try:
            return self._flows[name]
        except KeyError:
            raise UnknownFlowError(name, tuple(get_close_matches(name, self._flows))) from None

    def __setitem__(self, name: str, flow: Flow) -> None:
        self._flows[name] = flow

    def __delitem__(self, name: str) -> None:
        self[name]
        del self._flows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._flows))

    def __len__(self) -> int:
        return len(self._flows)

    def __repr__(self) -> str:
        return f"<flows: {', '.join(self._flows) or 'none yet'}>"

    def get_or_create(self, name: str) -> Flow:
        """Return the flow of this name, a new one if there is none."""
        if name not in self._flows:
            self._flows[name] = Flow(name)
        return self._flows[name]


flows = Flows()
