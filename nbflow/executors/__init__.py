"""Where tasks run: in the run's own thread, on threads; each behind the same small protocol."""

from nbflow.executors.inline import InlineExecutor
from nbflow.executors.threads import ThreadExecutor

LocalExecutor = InlineExecutor
LocalDaskExecutor = ThreadExecutor

__all__ = ["InlineExecutor", "LocalDaskExecutor", "LocalExecutor", "ThreadExecutor"]
