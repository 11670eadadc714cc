"""The three tasks a resource block is made of, and the trigger of its cleanup.

They only call the user's manager. When they run, and that cleanup runs once, is the engine's business.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from nbflow.core import signals
from nbflow.core.block_outcome import BlockOutcome
from nbflow.core.context import thread
from nbflow.core.manager import has_setup, maker_of, takes_outcome
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from nbflow.core.block import Block
    from nbflow.core.edge import Edge
    from nbflow.core.states import State


def resource_cleanup_trigger(upstream_states: Mapping[Edge, State]) -> bool:
    """Let cleanup run if there is something to clean up, however the other upstream tasks ended.

    Raises:
        TRIGGERFAIL: If an upstream task has not finished.
        SKIP: If init or setup was skipped or failed, so that no resource exists.
    """
    made: dict[str | None, State] = {}
    for edge, state in upstream_states.items() if upstream_states else ():
        if not state.is_finished():
            raise signals.TRIGGERFAIL(
                f"cleanup has to wait: task {edge.upstream_task.name!r} is {type(state).__name__}, not finished"
            )
        made[edge.key] = state
    # Init before setup: a failed init fails setup too, and the first cause is the one to name.
    for key, step in (("mgr", "init"), ("resource", "setup")):
        if key in made and (made[key].is_skipped() or not made[key].is_successful()):
            end = "skipped" if made[key].is_skipped() else "failed"
            raise signals.SKIP(f"nothing to clean up: {step} {end}")
    return True


class ResourceInitTask(Task):
    """Call the manager's class with the arguments of the block; the result is the manager.

    `block` is set on this and its two siblings as soon as the block exists.
    """

    block: Block | None = None

    def __init__(self, resource_class: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.resource_class = resource_class
        self.run = maker_of(resource_class)  # type: ignore[method-assign]


class ResourceSetupTask(Task):
    """Let the manager set up the resource, which is the result."""

    block: Block | None = None

    def run(self, mgr: Any) -> Any:  # type: ignore[override]
        """Return what `mgr.setup()` returns."""
        return mgr.setup() if has_setup(mgr) else None  # what a factory makes may have none


class ResourceCleanupTask(Task):
    """Let the manager clean up the resource."""

    block: Block | None = None

    def run(self, mgr: Any, resource: Any) -> Any:  # type: ignore[override]
        """Call `mgr.cleanup(resource)`; what it returns is dropped, or awaited if it is a coroutine.

        A `cleanup` with a parameter `outcome` is given the `BlockOutcome`.
        """
        if takes_outcome(mgr.cleanup):
            outcome_of = thread.data.get("_outcome_of")
            ended = mgr.cleanup(resource, outcome=BlockOutcome() if outcome_of is None else outcome_of())
        else:
            ended = mgr.cleanup(resource)
        return _nothing_of(ended) if inspect.iscoroutine(ended) else None


async def _nothing_of(coroutine: Coroutine[Any, Any, Any]) -> None:
    await coroutine
