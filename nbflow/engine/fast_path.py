"""The task runner's way in one function, for the tasks that nothing can refuse, reuse, hold, limit or watch.

Most tasks are such, and in a run that calls them itself the hops between run loop, task runner, record and scheduler
would cost more than all that they do. Whatever is out of the ordinary (`CompiledGraph.is_simple` and what `take` asks)
is left to the task runner before anything was done about it, and so is whatever does not end in plain success.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped, Pending, Running, State, Success, plain
from nbflow.engine.attempt import Call, perform, perform_on_worker
from nbflow.engine.events import TOLD_SUCCESS
from nbflow.engine.nodes import RUNNING
from nbflow.engine.object_versions import ATOMS, NUMBERS, Watch

if TYPE_CHECKING:
    from nbflow.engine.run_loop import RunLoop
    from nbflow.engine.task_runner import TaskRunner


class FastPath:
    """Takes simple nodes from Pending to their end, all but the call itself on the run's thread."""

    def __init__(self, loop: RunLoop, task_runner: TaskRunner) -> None:
        self._loop = loop
        self._graph = loop.graph
        self._record = loop.record
        self._schedule = loop.schedule
        self._queue = loop.schedule.queue
        self._inputs = task_runner.inputs
        self._values = task_runner.values
        self._base_of = task_runner.base_of
        self._attempts = task_runner.attempts
        self._gives_back = loop.retention.gives_back
        self._running = Running("Starting task run.")  # of all of them: it says nothing about any

    def take(self, node: int) -> bool:
        """Perform a node that the scheduler gave in this thread, if it is a simple one."""
        call = self.start(node)
        if call is None:
            return False
        loop, guard = self._loop, self._loop.guard
        guard.call = call
        if loop.cancel_wanted:  # asked for since the inbox was looked at
            call.stop_requested = True
        # Away from the main thread a call is stopped as on a worker: by an exception sent to it.
        outcome = perform(call) if guard.is_installed else perform_on_worker(call)
        call.is_over = True
        guard.call = None
        if outcome[1] is None and not call.helpers:
            del loop.calls[node]
            self.end(call, outcome[0])
        else:
            loop.performed.append((call, outcome))
        return True

    def start(self, node: int) -> Call | None:
        """Note the start of a node and return the call to be made for it, or None if it is not a simple one."""
        graph, record, schedule = self._graph, self._record, self._schedule
        number, child = schedule.task_of[node], schedule.child_index[node]
        if not graph.is_simple[number] or schedule.bad[node] or self._queue.budget >= 0:
            return None
        task, states = graph.tasks[number], record.states
        parent: Any = states[task]
        state: State = parent
        all_fixed = False
        if child >= 0:
            if not isinstance(parent, Mapped):
                return None
            state = parent.map_states[child]
            try:
                inputs = self._inputs.values(number, child)
            except Exception:  # noqa: BLE001 - the task runner will meet it again, and say so
                return None
        else:
            if graph.is_map[number]:
                return None
            constants = graph.constants.get(task)
            inputs = dict(constants) if constants else {}
            all_fixed = True
            for value in inputs.values():
                if (
                    type(value) is not int and id(type(value)) not in ATOMS
                ):  # the first is quick, and frequent
                    all_fixed = False
            for edge in graph.edges_in[number]:
                if edge.key is not None:
                    inputs[edge.key] = value = states[edge.upstream_task].result
                    if type(value) is not int and id(type(value)) not in ATOMS:
                        all_fixed = False
        if type(state) is not Pending:
            return None
        watch: Watch | None = None
        if not (all_fixed or (child >= 0 and ATOMS.issuperset(map(id, map(type, inputs.values()))))):
            try:
                watch = self._loop.hand_over(node, task, inputs)
            except Exception:  # noqa: BLE001 - the task runner will meet it again, and say so
                return None
        call = Call(node, task, task.run, inputs, self._values)
        if watch is not None:
            call.watch = watch
        call.is_simple = True
        if self._loop.has_contexts:
            call.base = self._base_of(node)
        self._loop.calls[node] = call
        running, now = self._running, time()
        if child < 0:
            states[task] = running
            record.timings[task] = (now, None)
            record.log.changed(task, None, state, running, self._attempts.get(node, 1), now)
        else:
            parent.map_states[child] = running
            record.log.changed(task, child, state, running, self._attempts.get(node, 1), now)
        schedule.phase[node] = RUNNING
        self._queue.running += 1
        return call

    def end(self, call: Call, value: object) -> None:
        """Note that a call that `start` gave has returned `value`."""
        node, task, record = call.node, call.task, self._record
        child = self._schedule.child_index[node]
        if call.watch is not None:
            self._loop.home.ended(call.watch)
            self._loop.forget_ahead(node)
        if type(value) is not int and id(type(value)) not in NUMBERS:
            value = self._loop.keep_value(task, value)
        success, now = plain(Success, "Task run succeeded.", value), time()
        if child < 0:
            record.timings[task] = (record.timings[task][0], now)
            record.states[task] = success
            record.log.changed(task, None, self._running, TOLD_SUCCESS, self._attempts.get(node, 1), now)
        else:
            parent: Any = record.states[task]
            parent.map_states[child] = success
            record.log.changed(task, child, self._running, TOLD_SUCCESS, self._attempts.get(node, 1), now)
        if call.files is not None:
            record.note_files(node, call.files)
        self._queue.running -= 1
        self._schedule.succeeded(node)
        if child < 0 and self._gives_back:
            self._loop.retention.ended(node)
        if call.made is not None:
            call.forget()
