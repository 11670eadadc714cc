"""The store of a flow: opened when it is needed first, in a folder that stays the same."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nbflow.errors import NothingStoredError, OptionTypeError

if TYPE_CHECKING:
    from nbflow.flow.flow import Flow
    from nbflow.store import FlowStore, StoredRun


class StoreFolder:
    """The folder in which a flow's results are kept; None if they are not. Setting it counts for later runs.

    It stays the same when the kernel changes its own.
    """

    def __get__(self, flow: Flow | None, owner: type[Flow]) -> Path | None:
        return None if flow is None else flow._store_path

    def __set__(self, flow: Flow, store: str | os.PathLike[str] | None) -> None:
        if store is not None and not isinstance(store, (str, os.PathLike)):
            raise OptionTypeError(f"store is {store!r}; give the path of a folder")
        folder = None if store is None else Path(os.path.abspath(Path(store).expanduser()))
        flow._store_path, flow._flow_store, flow._store_goes_on = folder, None, False


def opened_store(flow: Flow) -> FlowStore | None:
    """Return the store of a flow, None if it has none; its runs are counted on from those that are kept there."""
    if flow._flow_store is None and flow.store is not None:
        from nbflow.engine.file_watch import ignore
        from nbflow.store import FlowStore

        flow._flow_store = FlowStore(flow.store, flow)
        ignore(flow.store)
        # Also where runs are in memory already: with a lower number than those there, the newest would be the
        # first to be dropped, and never the one to go on from.
        numbers = [run.number for run in flow.runs.copy()]
        flow._run_numbers = itertools.count(max([flow._flow_store.last_number(), *numbers]) + 1)
    return flow._flow_store


def needed_store(flow: Flow) -> FlowStore:
    """Return the store of a flow.

    Raises:
        NothingStoredError: If it has none.
    """
    store = opened_store(flow)
    if store is None:
        raise NothingStoredError(flow.name, "it was made without `store=`")
    return store


def earlier_runs(flow: Flow) -> tuple[list[StoredRun], list[str]]:
    """Return the runs in the flow's store that are not in memory, oldest first, and in words what cannot be read.

    They are of earlier kernels, or of this one before its flow was forgotten. A flow without a store has none.
    """
    store = opened_store(flow)
    if store is None:
        return [], []
    here = {run.id for run in flow.runs.copy()}
    found, trouble = store.readable_runs()
    return [run for run in found if run.id not in here], [str(error) for error in trouble]


def newest_stored_run(flow: Flow) -> StoredRun:
    """Return the newest run in the store of a flow.

    Raises:
        NothingStoredError: If there is none.
    """
    stored = needed_store(flow).newest()
    if stored is None:
        raise NothingStoredError(flow.name, f"there is none in {str(flow.store)!r}")
    return stored
