"""nbflow: flows of tasks in a notebook, drawn, run live, stepped through, and always cleaned up.

Example:
    >>> from nbflow import Flow, task
    >>> @task
    ... def add(x, y):
    ...     return x + y
    >>> with Flow("sum") as flow:
    ...     total = add(1, 2)
    >>> flow.run().result[total].result
    3
"""

from typing import Any

from nbflow import cache_validators, executors, signals, states, triggers
from nbflow._version import __version__
from nbflow.core.annotations import flatten, mapped, unmapped
from nbflow.core.block_outcome import BlockOutcome
from nbflow.core.collections import Constant, Dict, List, Set, Tuple, as_task
from nbflow.core.context import context
from nbflow.core.control import CompareValue, Merge, case, ifelse, merge, switch
from nbflow.core.defaults import defaults_from_attrs
from nbflow.core.edge import Edge
from nbflow.core.filter import FilterTask
from nbflow.core.function_task import FunctionTask, task
from nbflow.core.mapping import apply_map
from nbflow.core.parameter import Parameter
from nbflow.core.resource import ResourceManager, resource_cleanup_trigger, resource_manager
from nbflow.core.tags import tags
from nbflow.core.task import Task
from nbflow.engine.live_runs import live_runs
from nbflow.engine.run import Run
from nbflow.flow import Flow
from nbflow.flow.display import register_front_end
from nbflow.registry import flows

__all__ = [
    "BlockOutcome", "CompareValue", "Constant", "Dict", "Edge", "FilterTask", "Flow", "FunctionTask", "List", "Merge",
    "Parameter", "ResourceManager", "Run", "Set", "Task", "Tuple", "__version__", "apply_map", "as_task",
    "cache_validators", "case", "context", "defaults_from_attrs", "executors", "flatten", "flows", "ifelse",
    "live_runs", "mapped", "merge", "resource_cleanup_trigger", "resource_manager", "signals", "states", "switch",
    "tags", "task", "triggers", "unmapped",
]  # fmt: skip

register_front_end("panel", "nbflow.panel:panel")
register_front_end("cells", "nbflow.notebook.inspection.cell_table:cell_table")


def load_ipython_extension(shell: Any) -> None:
    """Register the magics; called by ``%load_ext nbflow``."""
    from nbflow.notebook import load_ipython_extension as load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics back; called by ``%unload_ext nbflow``."""
    from nbflow.notebook import unload_ipython_extension as unload

    unload(shell)
