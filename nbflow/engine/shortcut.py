"""The pipeline's way in one function, for the tasks that nothing can refuse, reuse, hold, limit or watch.

Most tasks are such, and in a run that calls them itself the hops between run loop, pipeline, record and scheduler
would cost more than all that they do. Whatever is out of the ordinary (`FrozenGraph.is_simple` and what `take` asks)
is left to the pipeline before anything was done about it, and so is whatever does not end in plain success.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from nbflow.core.states import Mapped, Pending, Running, Success, plain
from nbflow.engine.attempt import Call, perform
from nbflow.engine.nodes import RUNNING

if TYPE_CHECKING:
    from nbflow.engine.pipeline import Pipeline
    from nbflow.engine.run import RunLoop


class Shortcut:
    """Takes simple nodes from Pending to their end, in the run's own thread."""

    def __init__(self, loop: RunLoop, pipeline: Pipeline) -> None:
        self._loop = loop
        self._inputs = pipeline.inputs
        self._values = pipeline.values
        self._attempts = pipeline.attempts
        self._running = Running("Starting task run.")  # of all of them: it says nothing about any

    def take(self, node: int) -> bool:
        """Perform a node that the scheduler gave, if it is a simple one, to its end."""
        loop = self._loop
        schedule, graph, record, guard = loop.schedule, loop.graph, loop.record, loop.guard
        number, child = schedule.task_of[node], schedule.child_index[node]
        if not graph.is_simple[number] or schedule.bad[node] or schedule.budget >= 0:
            return False
        task, states = graph.tasks[number], record.states
        state = parent = states[task]
        if child >= 0:
            if not isinstance(parent, Mapped):
                return False
            state = parent.map_states[child]
            try:
                inputs = self._inputs.values(number, child)
            except Exception:  # noqa: BLE001 - the pipeline will meet it again, and say so
                return False
        else:
            if graph.is_map[number]:
                return False
            constants = graph.constants.get(task)
            inputs = dict(constants) if constants else {}
            for edge in graph.edges_in[number]:
                if edge.key is not None:
                    inputs[edge.key] = states[edge.upstream_task].result
        if type(state) is not Pending:
            return False
        attempt = self._attempts.get(node, 1)
        call = Call(node, task, task.run, inputs, self._values)
        loop.calls[node] = call
        running, now = self._running, time()
        if child < 0:
            states[task] = running
            record.timings[task] = (now, None)
            record.log.changed(task, None, state, running, attempt, now)
        else:
            parent.map_states[child] = running
            record.log.changed(task, child, state, running, attempt, now)
        schedule.phase[node] = RUNNING
        guard.call = call
        if loop.cancel_wanted:  # asked for since the inbox was looked at
            call.stop_requested = True
        outcome = perform(call)
        call.is_over = True
        guard.call = None
        if outcome[1] is not None:
            schedule.running += 1
            loop.performed.append((call, outcome))
            return True
        success, ended = plain(Success, "Task run succeeded.", outcome[0]), time()
        if child < 0:
            states[task] = success
            record.timings[task] = (now, ended)
            record.log.changed(task, None, running, success, attempt, ended)
        else:
            parent.map_states[child] = success
            record.log.changed(task, child, running, success, attempt, ended)
        del loop.calls[node]
        if call.made is not None:
            call.forget()
        schedule.succeeded(node)
        return True
