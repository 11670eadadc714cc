"""Where tasks run: in the run's own thread, on threads, in processes; each behind the same small protocol."""

from nbflow.executors.dask.dask_executor import DaskExecutor
from nbflow.executors.inline import InlineExecutor
from nbflow.executors.pool import PoolExecutor
from nbflow.executors.process_executor import ProcessExecutor
from nbflow.executors.threads import ThreadExecutor

LocalExecutor = InlineExecutor
LocalDaskExecutor = ThreadExecutor

__all__ = [
    "DaskExecutor",
    "InlineExecutor",
    "LocalDaskExecutor",
    "LocalExecutor",
    "PoolExecutor",
    "ProcessExecutor",
    "ThreadExecutor",
]
