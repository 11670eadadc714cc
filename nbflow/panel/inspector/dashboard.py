"""The page on which a cluster shows what it does, for a block whose resource it is and for tasks that ran there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from nbflow.core.block import Block
    from nbflow.engine.run import Run
    from nbflow.panel.inspector.safe_eval import SafeEvaluator

_LONGEST = 500


def of_block(block: Block, run: Run | None, evaluator: SafeEvaluator) -> str:
    """Return the address that the resource of a block has for its dashboard, while it is open; empty: it has none."""
    if run is None:
        return ""
    resources = [held.resource for held in run._record.open_resources.alive() if held.block is block]
    return _asked(resources[0], evaluator) if len(resources) == 1 else ""


def of_task(block: Block | None, run: Run | None, place: str, evaluator: SafeEvaluator) -> str:
    """Return the address of the dashboard of the cluster that called a task: that of a block around it, or the run's.

    Empty: it has none, or the task was called in the kernel, where it has no `place`.
    """
    if run is None or not place:
        return ""
    while block is not None and not block.is_executor:
        block = block.parent
    return _asked(run._loop.executor, evaluator) if block is None else of_block(block, run, evaluator)


def _asked(owner: Any, evaluator: SafeEvaluator) -> str:
    answer = evaluator.ask("dashboard", (owner,), lambda: _link_of(owner))
    return "" if answer is None or answer.problem else str(answer.value)


def _link_of(owner: Any) -> str:
    """Return the address that an object says its dashboard has, if it is one of the web's."""
    link = getattr(owner, "dashboard_link", None)
    if not isinstance(link, str) or not link.startswith(("http://", "https://")) or len(link) > _LONGEST:
        return ""
    return plain(link, _LONGEST)
