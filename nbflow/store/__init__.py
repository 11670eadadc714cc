"""Results on disk: what the tasks of a flow returned, so that a new kernel can go on from its last run.

Loaded by `Flow(..., store=path)`. Only what this user alone can have written is ever unpickled.
"""

from nbflow.store.folder import FlowStore
from nbflow.store.stored_run import StoredRun

__all__ = ["FlowStore", "StoredRun"]
