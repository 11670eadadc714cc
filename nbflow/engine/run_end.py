"""The end of a run: nothing stays open unnamed, the values are looked at a last time, and it gets its final state.

Rule 17 holds to the last line: whatever the user's code, a listener or nbflow itself does here, the run does end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Cancelled, Failed, State
from nbflow.engine.attempt import close_loop
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.handlers import call_terminal_handler
from nbflow.engine.nodes import DONE, EXPANDED
from nbflow.engine.open_resources import BlockStatus
from nbflow.engine.reuse import Reuse
from nbflow.engine.transitions import final_state

if TYPE_CHECKING:
    from nbflow.engine.block_executors import BlockExecutors
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.cleanup import Cleanup
    from nbflow.engine.event_loop_on_demand import EventLoopOnDemand
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.random_state import Draws
    from nbflow.engine.record import Record
    from nbflow.engine.user_code import UserCode
    from nbflow.engine.values import Values

CLOSE_TIMEOUT_S = 2.0


class RunEnd:
    """Ends a run whose loop has ended, well or not."""

    def __init__(
        self,
        flow: Any,
        values: dict[str, Any],
        record: Record,
        cleanup: Cleanup,
        lifecycle: Lifecycle,
        home: Values,
        draws: Draws,
        user_code: UserCode,
        cancellation: Cancellation,
    ) -> None:
        self._flow, self._values, self._record = flow, values, record
        self._graph, self._cleanup, self._lifecycle = record.graph, cleanup, lifecycle
        self._home, self._draws, self._user_code = home, draws, user_code
        self._cancellation = cancellation

    def clean_up(self) -> None:
        """Clean up what still owes it: only a setup that came at the last moment, or after a failure of the loop."""
        for held in self._record.open_resources.owing():  # opened last first (rule 4)
            if self._cancellation.gives_up:
                self._lifecycle.leak(held, None, "given up by the user's third interrupt", abandoned=True)
                continue
            self._record.set_block(held, BlockStatus.CLOSING)
            error = self._cleanup.at_end(held)
            if error is not None:
                self._lifecycle.leak(held, error, None)
            else:
                self._record.open_resources.closed(held)
                self._record.set_block(held, held.cleaned())
        if self._cancellation.failure is not None or self._cancellation.gives_up:
            self._name_unended()

    def close(self, executors: BlockExecutors, event_loop: EventLoopOnDemand) -> None:
        """Let threads end and look at what the run leaves, once nothing is open any more that needs them."""
        timeout_s = 0.0 if self._cancellation.gives_up else CLOSE_TIMEOUT_S
        if executors.own is not None:
            executors.close_all(timeout_s)
        else:
            close_loop()
        self._lifecycle.worker_scopes.end()
        event_loop.close(timeout_s)  # after the executor's threads, which may wait for what turns in it
        self._record.open_resources.leave_contexts()  # they belong to a loop that turns no more
        self._cleanup.tracker.flush()
        self._note_values()
        self._record.timings.ended_at = time.time()

    def end_anyway(self, error: BaseException) -> None:
        """Rule 17: when even the end has failed, name what may be left and give the run a final state."""
        for held in self._record.open_resources.owing():
            try:
                self._lifecycle.leak(held, error, None)
            except BaseException as another:  # noqa: BLE001 - as the one before
                warn_safely(f"what became of {held.name!r} could not be noted: {error_text(another)}")
        if not self._record.state.is_finished():
            failed = Failed(f"The run itself failed: {error_text(error)}", result=error)
            failed.result = dict(self._record.states)
            self._record.set_run(failed)

    def _note_values(self) -> None:
        """Know values and files as the run leaves them; a run that was given up does not look any more.

        Whatever a user's value does when it is looked at, the run gets its final state.
        """
        if self._cancellation.gives_up:
            return
        try:
            for text in (*self._home.finish(), *self._said_of_missed()):
                self._record.note(text)
                warn_safely(text)
            self._record.files.end()
        except BaseException as error:  # noqa: BLE001 - all is cleaned up, and the run is to end
            warn_safely(f"what the run leaves could not be looked at: {error_text(error)}")

    def _said_of_missed(self) -> list[str]:
        """Return what to say of tasks that were taken over, and would take something else by now."""
        if not self._home.objects.has_changes:
            return []
        graph = self._graph
        reuse = Reuse(graph, graph.tasks, self._home, self._record.states, self._draws)
        missed = [f"{graph.tasks[node].name!r} {why}" for node, why in reuse.missed().items()]
        return [f"{text}: it is stale, and a rerun of what is stale runs it" for text in missed]

    def _name_unended(self) -> None:
        """Leave no task that seems to run in a run that is over (it failed itself, or was given up)."""
        for node, phase in enumerate(self._record.schedule.phase):
            if phase not in (DONE, EXPANDED):
                self._record.set_task(node, self._record.current(node), Cancelled("The run ended before this task."))

    def state(self) -> State:
        """Return the final state, which the flow's terminal handler has seen."""
        states, graph, failure = self._record.states, self._graph, self._cancellation.failure
        if isinstance(failure, Exception) and not self._values.get("raise_on_exception"):
            return Failed(f"The run itself failed: {error_text(failure)}", result=failure)
        if self._record.state.is_finished():  # a handler's word, which stands
            state = self._record.state
        elif self._cancellation.is_on:
            state = Cancelled(self._record.state.message or "The run was cancelled.")
        else:
            state = final_state(
                {task: states[task] for task in graph.reference}, {task: states[task] for task in graph.terminal}
            )
        # Rule 7: a failed cleanup is no failure of the flow, unless the manager says so.
        must_clean = [block for block in self._record.open_resources.failures() if block.cleanup_failure == "fail"]
        if must_clean and not state.is_failed():
            state = Failed(f"The cleanup of {must_clean[0].name!r} failed.")
        state.result = dict(states)  # a copy: values are given back in the record, and what a caller holds stays
        handler = getattr(self._flow, "terminal_state_handler", None)
        if handler is not None:
            reference = {states[task] for task in graph.reference}
            state = self._user_code.call(
                self._values.copy(), call_terminal_handler, handler, self._flow, state, reference, fallback=state
            )
        return state
