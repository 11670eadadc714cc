"""Going on from a stored run: what is stale, what is to run, and the new run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.store.past import StoredRun


def resume(stored: StoredRun, what: Any, *, dry: bool, parameters: dict[str, Any]) -> Any:
    raise NotImplementedError
