"""Ready-made resources, each to be used as `with Name(...) as resource:` inside of a flow.

`TemporaryDirectory`, `Subprocess` and `DaskCluster` are reclaimable: when the kernel dies, the reaper removes what they
have set up. `Database` ends by itself then; `managed`, a block of any context manager, is best effort.
"""

from __future__ import annotations

from nbflow.resources.command import Subprocess
from nbflow.resources.dask_cluster import DaskCluster
from nbflow.resources.database import Database
from nbflow.resources.managed import managed
from nbflow.resources.process import Process
from nbflow.resources.temporary_directory import TemporaryDirectory

__all__ = ["DaskCluster", "Database", "Process", "Subprocess", "TemporaryDirectory", "managed"]
