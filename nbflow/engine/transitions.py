"""The state that follows from what happened: outcomes, retries, caching, refusals. Decides; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core import signals
from nbflow.core.context import context
from nbflow.core.control import CompareValue
from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.options import moment_after
from nbflow.core.states import (
    Cached,
    Cancelled,
    Failed,
    Retrying,
    Running,
    Skipped,
    State,
    Success,
    TimedOut,
    TriggerFailed,
    without_value,
)
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.error_text import error_text
from nbflow.engine.nodes import CANCELLED, FAILED, SKIPPED, SUCCEEDED
from nbflow.engine.object_versions import with_children
from nbflow.engine.raised import ends_run, state_of_signal
from nbflow.engine.state_values import held_by, reference_of, success, with_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.edge import Edge
    from nbflow.core.task import Task
    from nbflow.engine.attempt import Outcome

WITHOUT_RESOURCE = "The setup of its block was skipped, so there is no resource to work with."
UPSTREAM_SKIPPED = (
    "Upstream task was skipped; if this was not the intended behavior, consider changing "
    "`skip_on_upstream_skip=False` for this task."
)


def verdict_of(state: State) -> int:
    """Return how the scheduler counts a finished state."""
    if isinstance(state, Success):
        return SKIPPED if isinstance(state, Skipped) else SUCCEEDED
    return FAILED if isinstance(state, Failed) else CANCELLED


def state_of_outcome(outcome: Outcome) -> State:
    """Return the state that an attempt's value, signal or error stands for."""
    error = outcome.error
    return success(outcome.value) if error is None else state_of_error(error)


def state_of_error(error: BaseException) -> State:
    """Return the state that an error raised by a task stands for."""
    if isinstance(error, (signals.StateSignal, signals.ENDRUN)):
        return state_of_signal(error)
    if isinstance(error, signals.TaskTimeoutSignal):
        return TimedOut("Execution timed out: the task timed out.", result=error)
    if isinstance(error, (TaskCancelled, KeyboardInterrupt)):
        return Cancelled("The task was interrupted.", result=error)
    return Failed(f"Error during execution of task: {error_text(error)}", result=error)


def skips(task: Task, upstream: Mapping[Edge, State]) -> bool:
    """Tell whether a task is skipped because of what is upstream, whatever its trigger would say."""
    skipped = [edge for edge, state in upstream.items() if state.is_skipped()]
    if task.skip_on_upstream_skip or not skipped:
        return bool(skipped)
    # Such a task is told of the branches before it by their results; by an edge without one, whether it is in a branch.
    return task._skips_with_its_case and any(
        edge.key is None and isinstance(edge.upstream_task, CompareValue) for edge in skipped
    )


def refusal(task: Task, upstream: Mapping[Edge, State]) -> State | None:
    """Return the state of a task that is not to run, because of a skip upstream or its trigger; else None."""
    if skips(task, upstream):
        return Skipped(UPSTREAM_SKIPPED)
    try:
        if task.trigger(upstream):
            return None
    except (signals.StateSignal, signals.ENDRUN) as signal:
        return state_of_signal(signal)
    except BaseException as error:
        if ends_run(error) or context.get("raise_on_exception"):
            raise
        return TriggerFailed(f"Unexpected error while checking task trigger: {error_text(error)}", result=error)
    return TriggerFailed("Its trigger was not met.")


def retry_of(task: Task, state: State, *, attempt: int, loop: tuple[int, Any] | None) -> State:
    """Return Retrying in place of a failure that the task wants to try again; else the state itself."""
    if not isinstance(state, Failed) or isinstance(state, TriggerFailed) or attempt > task.max_retries:
        return state
    if task.retry_on and not isinstance(state.result, tuple(task.retry_on)):
        return state
    carried = {} if loop is None else {"task_loop_count": loop[0], "task_loop_result": loop[1]}
    return Retrying(
        f"Retrying Task (after attempt {attempt} of {task.max_retries + 1})",
        start_time=moment_after("retry_delay", task.retry_delay),
        context={"task_run_count": attempt} | carried,
        result=state.result,
        run_count=attempt,
    )


def cached_of(task: Task, state: State, hashed_inputs: dict[str, str] | None, parameters: dict[str, Any]) -> State:
    """Return Cached in place of the success of a task with `cache_for`, and keep it for later runs.

    The fingerprints of its inputs were taken before the attempt, which may have changed them.
    """
    if task.cache_for is None or type(state) is not Success:
        return state
    cached = Cached(
        state.message,
        hashed_inputs=hashed_inputs,
        cached_parameters=dict(parameters),
        cached_result_expiration=moment_after("cache_for", task.cache_for),
    )
    with_value(cached, held_by(state))
    context.caches.setdefault(task.cache_key or task.name, []).append(cached)
    return cached


def from_cache(task: Task, old: State, inputs: dict[str, Any], parameters: dict[str, Any]) -> State | None:
    """Return the kept state that the task's validator accepts, the given state first; else None."""
    kept = [old] if isinstance(old, Cached) else []
    if task.cache_for is not None:
        kept += context.caches.get(task.cache_key or task.name, [])
    try:
        accepted = (state for state in kept if task.cache_validator(state, inputs, parameters))
        return next((state for found in accepted if (state := as_cached(found)) is not None), None)
    except (signals.StateSignal, signals.ENDRUN) as signal:
        return state_of_signal(signal)
    except BaseException as error:
        if ends_run(error) or context.get("raise_on_exception"):
            raise
        return Failed(f"Error while asking the cache validator: {error_text(error)}", result=error)


def remember_value(state: Cached, original: Any) -> None:
    """Note what the value of a cached state is, before a task takes it and may change it in place.

    `original` is a copy of the value; the value itself where none is needed or possible.
    """
    vars(state)["_print"] = known_fingerprint(state.result)
    if original is not state.result:
        vars(state)["_original"] = original


def as_cached(state: State) -> State | None:
    """Return a cached state whose value is as it was cached; None where there is no such value any more."""
    held, reference = vars(state), reference_of(state)
    if reference is not None:  # which never changes
        return state if reference.lost is None else None
    if "_print" not in held or is_fixed(state.result):
        return state
    if held["_print"] is not None and known_fingerprint(state.result) == held["_print"]:
        return state
    if "_original" not in held:
        return None
    fresh = without_value(state, None)
    fresh.result = copy_ahead(held["_original"])
    return fresh


def final_state(reference: dict[Task, State], terminal: dict[Task, State]) -> State:
    """Return the state of a run from the states of its reference and terminal tasks."""
    if not all(state.is_finished() for one in terminal.values() for state in with_children(one)):
        return Running("Flow run in progress.")
    states = [state for one in reference.values() for state in with_children(one)]
    if any(state.is_failed() for state in states):
        return Failed("Some reference tasks failed.")
    if any(isinstance(state, Cancelled) for state in states):
        return Cancelled("Some reference tasks were cancelled.")
    return Success("All reference tasks succeeded.")
