"""The store of a flow: opened when it is needed first, in a folder that stays the same."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nbflow.errors import NothingStoredError, OptionTypeError

if TYPE_CHECKING:
    from nbflow.flow.flow import Flow
    from nbflow.store import FlowStore

__all__ = ["needed_store", "opened_store", "store_folder"]


def store_folder(store: str | os.PathLike[str]) -> Path:
    """Return the folder of a store, which stays the same when the kernel changes its own.

    Raises:
        OptionTypeError: If it is not a path.
    """
    if not isinstance(store, (str, os.PathLike)):
        raise OptionTypeError(f"store is {store!r}; give the path of a folder")
    return Path(os.path.abspath(Path(store).expanduser()))


def opened_store(flow: Flow) -> FlowStore | None:
    """Return the store of a flow, None if it has none; its runs are counted on from those that are kept there."""
    if flow._flow_store is None and flow.store is not None:
        from nbflow.engine.file_watch import ignore
        from nbflow.store import FlowStore

        flow._flow_store = FlowStore(flow.store, flow)
        ignore(flow.store)
        if not flow.runs:
            flow._run_numbers = itertools.count(flow._flow_store.last_number() + 1)
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
