"""The frame of a cleanup: what it is told of the block's tasks, and the hooks before it (rule 11)."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from nbflow.core.block_outcome import BlockOutcome
from nbflow.core.manager import is_declared, takes_outcome
from nbflow.core.states import Failed, Mapped, Skipped, State, Success, TriggerFailed
from nbflow.engine.attempt import run_coroutine
from nbflow.engine.compiled_graph import CLEANUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.attempt import Call
    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.record import Record


def outcome_of(record: Record, held: OpenResource) -> BlockOutcome:
    """Return how the tasks inside a block ended, for one element of a mapped block as far as that is concerned."""
    found: dict[str, list[Any]] = {"succeeded": [], "failed": [], "cancelled": [], "skipped": []}
    errors: list[BaseException] = []
    graph = record.graph
    for node in sorted(_inside(record, graph.blocks.index(held.block))):
        task = graph.tasks[node]
        state = record.states[task]
        if held.index >= 0 and isinstance(state, Mapped):
            state = state.map_states[held.index] if held.index < len(state.map_states) else Skipped()
        children = state.map_states if isinstance(state, Mapped) else ()
        errors += [error for one in (*children, state) if (error := _error_of(one)) is not None]
        found[_end_of(state)].append(task)
    return BlockOutcome(
        **{end: tuple(tasks) for end, tasks in found.items()}, error=errors[0] if errors else None, errors=tuple(errors)
    )


def _inside(record: Record, shape: int) -> Iterator[int]:
    graph = record.graph
    for node in graph.shapes[shape].members:
        if graph.role[node] != CLEANUP:  # how an inner one closed does not matter here (rule 4)
            yield node
    for inner, other in enumerate(graph.shapes):
        if other.parent == shape:
            yield from _inside(record, inner)


def _end_of(state: State) -> str:
    if isinstance(state, Mapped):
        ends = {_end_of(one) for one in state.map_states}
        return next((end for end in ("failed", "cancelled") if end in ends), "succeeded")
    if isinstance(state, Success):
        return "skipped" if isinstance(state, Skipped) else "succeeded"
    return "failed" if isinstance(state, Failed) else "cancelled"


def _error_of(state: State) -> BaseException | None:
    if isinstance(state, TriggerFailed) or not isinstance(state, Failed):
        return None
    return state.result if isinstance(state.result, BaseException) else None


def _method_of(call: Call, held: OpenResource, name: str) -> Any:
    """Return a method of a manager, or None; a manager that raises when it is asked keeps its cleanup (rule 17)."""
    try:
        return getattr(held.manager, name, None)
    except BaseException as error:  # noqa: BLE001 - users' properties and `__getattr__`
        if is_declared(held.manager, name):  # a hook that is there
            call.hook_error = error
        return None


def tell_outcome(call: Call, held: OpenResource, outcome: Callable[[], BlockOutcome]) -> None:
    """Let the call of a cleanup know the outcome if it asks, and have a hook called before it.

    The manager's `on_success` or `on_failure` is called once, and cannot prevent the cleanup.
    """
    if takes_outcome(_method_of(call, held, "cleanup")):
        call.context["_outcome_of"] = outcome
    hooks = _method_of(call, held, "on_success"), _method_of(call, held, "on_failure")
    if held.is_told or not (callable(hooks[0]) or callable(hooks[1])):
        return
    held.is_told = True  # another try of the cleanup is no other end of the block
    clean_up = call.fn

    def run(**inputs: Any) -> Any:
        told = outcome()
        hook = hooks[not told.is_successful]
        if callable(hook):
            try:
                more = {"outcome": told} if takes_outcome(hook) else {}
                ended = hook(inputs["resource"], **more)
                if type(ended) is CoroutineType:
                    run_coroutine(ended, None)
            except BaseException as error:  # noqa: BLE001 - cleanup comes next, whatever it was
                call.hook_error = error
        return clean_up(**inputs)

    call.fn = run
