"""The task runner's way in one function, for the tasks that nothing can refuse, reuse, hold, limit or watch.

Most tasks are such, and in a run that calls them itself the hops between run loop, task runner, record and scheduler
would cost more than all that they do. Whatever is out of the ordinary (`CompiledGraph.is_simple` and what `take` asks)
is left to the task runner before anything was done about it, and so is whatever does not end in plain success.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import identity
from nbflow.core.states import Mapped, Pending, Running, State, Success, plain
from nbflow.engine.attempt import Call, perform, perform_on_worker
from nbflow.engine.call_values import fetch_first, send_references
from nbflow.engine.events import TOLD_SUCCESS
from nbflow.engine.nodes import RUNNING
from nbflow.engine.object_versions import ATOMS, NUMBERS, Watch
from nbflow.engine.remote_value import Expected, is_elsewhere, is_reference
from nbflow.engine.state_values import held_by, success
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from collections import deque

    from nbflow.core.edge import Edge
    from nbflow.core.task import Task
    from nbflow.engine.attempt import Outcome
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record
    from nbflow.engine.retention import Retention
    from nbflow.engine.value_handover import ValueHandover
    from nbflow.engine.values import Values


class FastPath:
    """Takes simple nodes from Pending to their end, all but the call itself on the run's thread."""

    def __init__(
        self,
        record: Record,
        inputs: Inputs,
        contexts: AttemptContexts,
        calls: dict[int, Call],
        performed: deque[tuple[Call, Outcome]],
        lifecycle: Lifecycle,
        handover: ValueHandover,
        home: Values,
        retention: Retention,
        cancellation: Cancellation,
        guard: Guard,
    ) -> None:
        self._graph, self._record, self._schedule = record.graph, record, record.schedule
        self._queue, self._early = record.schedule.queue, record.schedule.early
        self._calls, self._performed = calls, performed
        self._lifecycle, self._cancellation, self._guard = lifecycle, cancellation, guard
        # Bound once: each look for one of them would be paid for by every task of the run.
        self._states, self._timings, self._log = record.states, record.timings, record.log
        self._note = record.log.entries.append
        self._inputs, self._inputs_of, self._values = inputs, inputs.values, contexts.values
        self._own = contexts.own
        self._attempt_of, self._hand_over = contexts.attempts.get, handover.hand_over
        self._forget_ahead, self._keep_value = handover.forget_ahead, handover.keep
        self._home, self._values_ended = home, home.ended
        self._values_may_go = retention.ended if retention.gives_back else None
        self._running = Running("Starting task run.")  # of all of them: it says nothing about any

    def take(self, node: int) -> bool:
        """Perform a node that the scheduler gave in this thread, if it is a simple one."""
        call = self.start(node)
        if call is None:
            return False
        guard = self._guard
        guard.call = call
        if self._cancellation.is_wanted:  # asked for since the inbox was looked at
            call.stop_requested = True
        # Away from the main thread a call is stopped as on a worker: by an exception sent to it.
        outcome = perform(call) if guard.is_installed else perform_on_worker(call)
        call.is_over = True
        guard.call = None
        if outcome[1] is None and not call.helpers:
            del self._calls[node]
            self.end(call, outcome[0])
        else:
            self._performed.append((call, outcome))
        return True

    def start(self, node: int, *, ahead: bool = False, is_remote: bool = False) -> Call | None:
        """Return the call to be made for a node, or None if it is not a simple one.

        It begins now or, if it goes `ahead`, with `note_begun`. One that is not `is_remote` gets all values here.
        """
        graph, states, schedule = self._graph, self._states, self._schedule
        number, child = schedule.task_of[node], schedule.child_index[node]
        if not graph.is_simple[number] or schedule.bad[node] or self._queue.budget >= 0:
            return None
        task = graph.tasks[number]
        parent: Any = states[task]
        state: State = parent
        all_fixed = takes_references = False
        meet_references = self._inputs.meet_references
        if child >= 0:
            if not isinstance(parent, Mapped):
                return None
            state = parent.map_states[child]
            try:
                inputs = self._inputs_of(number, child)
            except Exception:  # noqa: BLE001 - the task runner will meet it again, and say so
                return None
        else:
            if graph.is_map[number]:
                return None
            constants = graph.constants.get(task)
            inputs = dict(constants) if constants else {}
            all_fixed = True
            for value in inputs.values():
                # The first is quick, and frequent.
                if type(value) is not int and identity(type(value)) not in ATOMS:
                    all_fixed = False
            try:
                for edge in graph.edges_in[number]:
                    if edge.key is not None:
                        above = states[edge.upstream_task]
                        inputs[edge.key] = value = held_by(above) if meet_references else above.result
                        if type(value) is not int and identity(type(value)) not in ATOMS:
                            all_fixed = False
            except ValueReleasedError:  # it went with the cluster that it was on
                return None
        if type(state) is not Pending:  # given, or left by a former attempt
            return None
        watch: Watch | None = None
        if not (all_fixed or (child >= 0 and ATOMS.issuperset(map(identity, map(type, inputs.values()))))):
            try:
                watch = self._hand_over(node, task, inputs)
            except Exception:  # noqa: BLE001 - the task runner will meet it again, and say so
                return None
            takes_references = meet_references and is_elsewhere(inputs)
        call = Call(node, task, task.run, inputs, self._values, self._own)
        if watch is not None:
            call.watch = watch
        if takes_references:
            (send_references if is_remote else fetch_first)(call)
        call.is_simple = True
        if self._lifecycle.has_contexts:
            call.base = self._lifecycle.base_of(node)
        self._calls[node] = call
        if ahead:
            call.is_ahead = True
        else:
            self._begin(node, task, child, parent, state, time())
        schedule.phase[node] = RUNNING
        if graph.has_executors:
            self._queue.count(node, 1)
        else:
            self._queue.running += 1
        return call

    def start_early(self, node: int) -> Call | None:
        """Return the call of a node that goes before what is upstream of it has ended; None if it is to wait for that.

        It begins with `note_begun`.
        """
        graph, schedule = self._graph, self._schedule
        number, child = schedule.task_of[node], schedule.child_index[node]
        task, under_way = graph.tasks[number], self._early.under_way
        # A copy that is asked for may be refused, which is said before a call and not after.
        if type(self._record.current(node)) is not Pending or task._input_mode == "copy":
            return None
        constants = graph.constants.get(task)
        inputs = dict(constants) if constants else {}
        expected: dict[Call, None] = {}
        for edge in graph.edges_in[number]:
            up = self._node_above(edge, child)
            if up in under_way:
                if edge.upstream_task in self._home.kept:  # what it gives is not what others are given
                    return None
                call = self._calls[up]
                expected[call] = None
                if edge.key is not None:
                    inputs[edge.key] = Expected(call)
            elif edge.key is not None:
                try:
                    inputs[edge.key] = self._inputs.value(edge, child)
                except Exception:  # noqa: BLE001 - the task runner will meet it again, and say so
                    return None
        call = Call(node, task, task.run, inputs, self._values, self._own)
        call.expects, call.is_simple, call.is_ahead = tuple(expected), True, True
        if self._inputs.meet_references and is_elsewhere(inputs):
            send_references(call)
        if self._lifecycle.has_contexts:
            call.base = self._lifecycle.base_of(node)
        self._calls[node] = call
        schedule.went_early(node)
        return call

    def _node_above(self, edge: Edge, child: int) -> int:
        """Return the node from which something comes along an edge."""
        up = self._graph.index[edge.upstream_task]
        return self._schedule.children[up][child] if edge.mapped and up in self._schedule.children else up

    def note_begun(self, call: Call) -> None:
        """Note that a call that went ahead has begun, when its worker says it did."""
        child = self._schedule.child_index[call.node]
        parent: Any = self._states[call.task]
        state = parent if child < 0 else parent.map_states[child]
        call.is_ahead = False
        self._begin(call.node, call.task, child, parent, state, call.began_at or time())

    def _begin(self, node: int, task: Task, child: int, parent: Any, state: State, now: float) -> None:
        running = self._running
        if child < 0:
            self._states[task] = running
            if task in self._timings:
                self._timings.note_begun(task, now)
            else:
                self._timings[task] = (now, None)
            self._note((task, None, state, running, self._attempt_of(node, 1), now))
        else:
            parent.map_states[child] = running
            self._note((task, child, state, running, self._attempt_of(node, 1), now))
        if self._log.listeners:
            self._log.tell_newest()

    def take_back(self, call: Call) -> None:
        """Have a node that `start` has noted be ready once more: its call has not begun, and will not."""
        task, child = call.task, self._schedule.child_index[call.node]
        self._early.over(call.node)
        self._home.taken.pop((task, child), None)  # another call of it takes what there is then
        call.expects = ()  # nothing leads up a chain of calls from here any more
        call.forget()
        self._schedule.put_back(call.node)

    def leave(self, call: Call) -> None:
        """Leave a call that did not end in plain success to the task runner, which goes on with its inputs."""
        self._early.over(call.node)
        if call.expects and call.node not in self._early.gone:
            number, child = self._schedule.task_of[call.node], self._schedule.child_index[call.node]
            call.inputs, call.expects, call.kept_inputs = self._inputs_of(number, child), (), None

    def end_elsewhere(self, call: Call, value: object) -> None:
        """Note that a call that a session has made has returned `value`; those that went after it take it now."""
        early = self._early
        early.over(call.node)
        if call.expects:  # each call of a chain would keep the one above it alive
            call.inputs, call.expects, call.kept_inputs = {}, (), None
        self.end(call, value)
        known, early.known = early.known, []
        for node in known:
            # What is noted of it is what it finds now, whatever is done to it until its worker is told to have begun.
            number, task = self._schedule.task_of[node], self._schedule.task(node)
            inputs = self._inputs_of(number, self._schedule.child_index[node])
            if not ATOMS.issuperset(map(identity, map(type, inputs.values()))):
                self._calls[node].watch = self._hand_over(node, task, inputs)

    def end(self, call: Call, value: object) -> None:
        """Note that a call that `start` gave, and that has begun, has returned `value`."""
        node, task, timings = call.node, call.task, self._timings
        child = self._schedule.child_index[node]
        if call.watch is not None:
            self._values_ended(call.watch)
            self._forget_ahead(node)
        if type(value) is not int and identity(type(value)) not in NUMBERS:
            value = self._keep_value(task, value)
            self._record.with_values[task] = None
            state = success(value) if is_reference(value) else plain(Success, "Task run succeeded.", value)
        else:
            state = plain(Success, "Task run succeeded.", value)
        now = call.ended_at or time()
        if child < 0:
            begun = timings[task][0]
            if call.began_at and not timings.is_divided(task):  # else it is that of another attempt
                begun = call.began_at
            timings[task] = (begun, now)
            self._states[task] = state
            self._note((task, None, self._running, TOLD_SUCCESS, self._attempt_of(node, 1), now))
        else:
            parent: Any = self._states[task]
            parent.map_states[child] = state
            self._note((task, child, self._running, TOLD_SUCCESS, self._attempt_of(node, 1), now))
        if self._log.listeners:
            self._log.tell_newest()
        if call.files is not None:
            self._record.note_files(node, call.files)
        if self._graph.has_executors:
            self._queue.count(node, -1)
        else:
            self._queue.running -= 1
        self._schedule.succeeded(node)
        if child < 0 and self._values_may_go is not None:
            self._values_may_go(node)
        if call.made is not None:
            call.forget()
