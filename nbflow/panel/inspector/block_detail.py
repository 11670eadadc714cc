"""What is told of a resource's block: its status, since when, its handle, limits, the error of its cleanup, tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.inspector.dashboard import of_block
from nbflow.panel.inspector.neighbours import NAME_LIMIT, Neighbours, Target
from nbflow.panel.inspector.rich_repr import short
from nbflow.panel.inspector.tracebacks import told
from nbflow.panel.sanitize import plain
from nbflow.render.names import one_line
from nbflow.render.palette import BLOCKS

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.engine.run import Run
    from nbflow.panel.inspector.safe_eval import SafeEvaluator
    from nbflow.panel.part import Json


def block_sections(neighbours: Neighbours, run: Run | None, target: Target, evaluator: SafeEvaluator) -> Json:
    """Return the sections that tell of a block."""
    block = target.block
    assert block is not None
    status = "closed" if run is None else str(run.block_status.get(block, "closed"))
    look = BLOCKS.get(status)
    around = neighbours.block_chip(block.parent, run)
    return {
        "head": {
            "what": "block",
            "name": one_line(block.name, NAME_LIMIT),
            "kind": "block",
            "status": status,
            "line": look.label if look is not None else status,
            "link": of_block(block, run, evaluator),
            "number": None if run is None else run.number,
            "epoch": None if run is None else run.timings.started_at,
        },
        "around": around and {"block": around, "up": [], "up_total": 0, "down": [], "down_total": 0},
        "facts": {"rows": _facts(block, run), "handles": _handles(block, run, status, evaluator)},
        "history": _history(block, run),
        "members": {
            "listed": neighbours.chips([task for task in block.tasks if task in neighbours.keys], run),
            "total": len(block.tasks),
            "counts": [],
        },
        "error": _error(block, run, evaluator),
    }


def _facts(block: Block, run: Run | None) -> list[list[str]]:
    facts = [["tasks", f"{len(block.members):,}"]]
    if block.mapped:
        most = block.max_concurrent
        facts.append(["open at once", "no limit" if most is None else f"{most:,}"])
    facts.append(["waits for a task that does not let go", f"{block.grace_s:g} s"])
    facts.append(["time for a cleanup after cancel", f"{block.cleanup_timeout_s:g} s"])
    facts.append(["a failed cleanup", "fails the run" if block.cleanup_failure == "fail" else "is reported"])
    if run is not None and run.hold_limit_s is not None and not run.is_finished:
        facts.append(["the run is paused for at most", f"{run.hold_limit_s:g} s"])
    return facts


def _handles(block: Block, run: Run | None, status: str, evaluator: SafeEvaluator) -> list[Json]:
    """Return what finds the resource from another process, as the ledger has it."""
    if run is None or status in ("closed", "skipped"):
        return []
    answer = evaluator.ask("handles", (run, run.block_status.get(block)), lambda: _rows(block, run))
    return [] if answer is None or answer.problem else list(answer.value)


def _rows(block: Block, run: Run) -> list[Json]:
    from nbflow.ledger import resources  # only now: what it needs is loaded late

    found = [
        row
        for row in resources(all=True)
        if row.run == run.id and (row.block == block.name or row.block.startswith(f"{block.name}["))
    ]
    return [
        {
            "name": one_line(row.block, NAME_LIMIT),
            "state": plain(row.state, 40),
            "handle": "none: only this kernel can clean it up" if row.handle is None else short(row.handle)["text"],
            "note": plain(row.note, 300),
        }
        for row in found[-10:]
    ]


def _history(block: Block, run: Run | None) -> Json | None:
    if run is None:
        return None
    began = run.timings.started_at or 0.0
    changes = []
    for event in run.events:
        if event.kind == "block" and event.block is block:
            look = BLOCKS.get(event.note)
            label = look.label if look is not None else event.note
            element = "" if event.map_index is None else f"[{event.map_index}]"
            changes.append([round(event.time - began, 3), f"block-{event.note}", label, element])
    left = max(0, len(changes) - 60)
    return {"changes": changes[left:], "attempts": [], "left": left}


def _error(block: Block, run: Run | None, evaluator: SafeEvaluator) -> Json | None:
    error = None if run is None else run.cleanup_failures.get(block)
    if error is None:
        return None
    # A group of several is made again each time it is asked for: the run's status tells whether it may be another.
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
    answer = evaluator.ask("error", (*parts,), lambda: told(error))
    if answer is None:
        return {"pending": True}
    return {"problem": answer.problem} if answer.problem else dict(answer.value)
