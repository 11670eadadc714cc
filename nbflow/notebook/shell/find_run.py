"""Finds the run that a magic's line names, by number or name: one of this kernel, or one that the store has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from IPython.core.error import UsageError

from nbflow.errors import UnknownRunError
from nbflow.flow.storage import earlier_runs, needed_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.store import StoredRun

AnyRun = TypeVar("AnyRun", bound="Run | StoredRun")


def known_runs(flow: Flow) -> tuple[list[Run | StoredRun], list[str]]:
    """Return all runs of a flow that are in memory or in its store, oldest first, and what cannot be read there."""
    stored, trouble = earlier_runs(flow)
    return sorted([*stored, *flow.runs.copy()], key=lambda run: run.number), trouble


def find_run(flow: Flow, text: str, magic: str) -> Run | StoredRun:
    """Return the run of this number, else the newest one of this name.

    Raises:
        UsageError: If there is none; the message says which there are.
    """
    runs, trouble = known_runs(flow)
    return _found(runs, trouble, text, flow, magic)


def find_stored_run(flow: Flow, text: str, magic: str) -> StoredRun:
    """Return the run of this number or name in the flow's store, also one of this kernel; raises as `find_run`."""
    runs, trouble = needed_store(flow).readable_runs()
    return _found(runs, list(map(str, trouble)), text, flow, magic)


def _found(runs: Sequence[AnyRun], trouble: Sequence[str], text: str, flow: Flow, magic: str) -> AnyRun:
    number = int(text) if text.isdecimal() else None
    found = [run for run in runs if run.number == number] or [run for run in runs if run.name == text]
    if found:
        return found[-1]
    asked = text if number is None else number
    words = str(UnknownRunError(asked, tuple(run.number for run in runs), tuple(run.name for run in runs)))
    raise UsageError("; ".join([f"{magic}: {words}", *trouble, f"see %flow runs {flow.name}"]))


def run_words(flow: Flow | None) -> list[str]:
    """Return what may be written for a run of a flow, for completion: numbers, then names without spaces."""
    if flow is None:
        return []
    runs = known_runs(flow)[0][::-1]
    names = dict.fromkeys(run.name for run in runs if not any(c.isspace() for c in run.name))
    return [*(str(run.number) for run in runs), *names]
