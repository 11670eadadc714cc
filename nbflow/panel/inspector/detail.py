"""What is told of the selected task: sections of plain data, each limited in size.

Whatever calls users' code, such as a `__repr__`, is asked through `safe_eval` and told when it is there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import label_of
from nbflow.core.parameter import Parameter
from nbflow.core.states import Mapped
from nbflow.engine.remote_value import is_reference
from nbflow.engine.state_values import held_by, references_in
from nbflow.panel.inspector.actions import possible
from nbflow.panel.inspector.block_detail import block_sections
from nbflow.panel.inspector.dashboard import of_task
from nbflow.panel.inspector.history import children_of, history_of, state_of
from nbflow.panel.inspector.neighbours import NAME_LIMIT, Neighbours, Target, kind_of
from nbflow.panel.inspector.next_steps import next_steps_of
from nbflow.panel.inspector.ran_on import ran_on
from nbflow.panel.inspector.rich_repr import elsewhere, rich, short
from nbflow.panel.inspector.source_code import doc_of, source_of
from nbflow.panel.inspector.tracebacks import told
from nbflow.panel.picture.work_parts import work_parts
from nbflow.panel.sanitize import plain
from nbflow.render.names import one_line
from nbflow.render.palette import state_look
from nbflow.render.status_marks import mark_of_state, state_name

if TYPE_CHECKING:
    from nbflow.core.states import Released, State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.inspector.safe_eval import Answer, SafeEvaluator
    from nbflow.panel.part import Json

_INPUTS = 40
_INPUT_TEXT = 40_000  # of all inputs together


class Detail:
    """Says all that there is to say of one target in one run, or in a flow that has not run.

    Args:
        flow: The flow as it is now.
        neighbours: The tasks of the graph.
        run: The run, if there is one.
        target: What is selected.
        evaluator: Asks users' code; its answers are kept as long as the target stays selected.
    """

    def __init__(
        self, flow: Flow, neighbours: Neighbours, run: Run | None, target: Target, evaluator: SafeEvaluator
    ) -> None:
        self.flow = flow
        self.neighbours = neighbours
        self.run = run
        self.target = target
        self._evaluator = evaluator
        self._history: tuple[Any, Any, Json] = (None, None, {})

    def sections(self) -> Json:
        """Return the sections by name; None for one that there is nothing to say in."""
        if self.target.what == "block":
            return block_sections(self.neighbours, self.run, self.target, self._evaluator)
        if self.target.what == "group":
            return self._group()
        run, task, index = self.run, self.target.task, self.target.index
        state = state_of(run, task, index)
        history = self._story(state)
        return {
            "head": self._head(state, history),
            "around": self._around(),
            "children": self._children(),
            "history": history,
            "inputs": self._inputs(),
            "result": self._result(state),
            "error": self._error(state),
            "next": next_steps_of(run, task, state),
            "source": self._source(state),
            "actions": possible(self.flow, run, task, index),
        }

    def watched(self) -> frozenset[Any]:
        """Return the tasks and blocks whose changes change what is told."""
        found: set[Any] = set(self.target.tasks)
        if self.target.what == "task":
            found |= {*self.neighbours.upstream(self.target.task), *self.neighbours.downstream(self.target.task)}
        block = self.target.block or self.neighbours.block_of(self.target.task)
        return frozenset(found | ({block} if block is not None else set()))

    def is_going(self) -> bool:
        """Whether the task runs, so that there may be more to say without a change of state."""
        run = self.run
        if run is None or run.is_finished or self.target.what != "task":
            return False
        state = state_of(run, self.target.task, self.target.index)
        return state is not None and (state.is_running() or isinstance(state, Mapped))

    # -- one task ---------------------------------------------------------------------------------------------

    def _head(self, state: State | None, history: Json | None) -> Json:
        run, task, index = self.run, self.target.task, self.target.index
        name, line = mark_of_state(state)
        # A mapped task has the message that it began with until it has another state.
        message = "" if isinstance(state, Mapped) else str((state.message if state is not None else "") or "")
        start, seconds, going = _times(run, task, index, history)
        place = ran_on(run, task, index, state, history)
        return {
            "what": "task",
            "name": one_line(label_of(task), NAME_LIMIT),
            "kind": kind_of(task),
            "index": index,
            "state": name,
            "line": line,
            "message": plain(message, 1_000),
            "value": "" if run is None else run.sources.get(task, ""),
            "number": None if run is None else run.number,
            "epoch": None if run is None else run.timings.started_at,
            "start": start,
            "seconds": seconds,
            "going": going,
            "parts": None if run is None or state is None else work_parts(run, task, index),
            "place": place,
            "link": of_task(self.neighbours.block_of(task), run, place, self._evaluator),
        }

    def _around(self) -> Json:
        task = self.target.task
        block = self.target.block or self.neighbours.block_of(task)
        up, down = list(self.neighbours.upstream(task)), self.neighbours.downstream(task)
        return {
            "block": self.neighbours.block_chip(block, self.run),
            "up": self.neighbours.chips(up, self.run),
            "up_total": len(up),
            "down": self.neighbours.chips(down, self.run),
            "down_total": len(down),
        }

    def _children(self) -> Json | None:
        found = children_of(self.run, self.target.task)
        if found is not None and self.target.index is not None:
            return None
        return found

    def _story(self, state: State | None) -> Json | None:
        run, task = self.run, self.target.task
        if run is None:
            return None
        times = (run.timings.get(task), run.is_finished)
        # By identity: comparing states compares their results, which are the user's.
        if not self._history[2] or self._history[0] is not state or self._history[1] != times:
            self._history = state, times, history_of(run, task, self.target.index)
        return self._history[2]

    def _inputs(self) -> Json:
        run, task, index = self.run, self.target.task, self.target.index
        upstream = self.neighbours.upstream(task)
        names: dict[str, list[Task]] = {}
        for above, keys in upstream.items():
            for key in keys:
                names.setdefault(key, []).append(above)
        answer = None
        if run is not None:
            states = tuple(run.states.get(above) for above in upstream)
            answer = self._evaluator.ask("inputs", (run, *states), lambda: run._control.held_inputs(task, index))
        constants: dict[str, Any] = getattr(self.neighbours.graph, "constants", {}).get(task) or {}
        rows, room = [], _INPUT_TEXT
        for name in [*names, *(key for key in constants if key not in names)][:_INPUTS]:
            row: Json = {"name": one_line(name, NAME_LIMIT), "from": []}
            row["from"] = self.neighbours.chips(names.get(name, []), run)
            if name in constants and name not in names:
                row |= self._short(name, constants[name])
            else:
                row |= self._input(name, answer, names[name])
            room -= len(row.get("text", ""))
            if room < 0:
                row["text"], row["problem"] = "", "left out: the inputs before it take all the room"
            rows.append(row)
        return {"rows": rows, "left": max(0, len({*names, *constants}) - _INPUTS)}

    def _input(self, name: str, answer: Answer | None, above: list[Task]) -> Json:
        run = self.run
        if run is None:
            return {}
        states = [run.states.get(task) for task in above]
        if any(state is None or not state.is_finished() for state in states):
            return {"problem": "not there yet"}
        if any(state is not None and not state.is_successful() for state in states):
            return {"problem": "there is none: what gives it did not end well"}
        if answer is None:
            return {"pending": True}
        if answer.problem:
            return {"problem": answer.problem}
        return self._short(name, answer.value[name]) if name in answer.value else {"problem": "there is none"}

    def _short(self, name: str, value: Any) -> Json:
        if is_reference(value):
            found = _of(self._evaluator.ask(("input", name), (value,), lambda: elsewhere(value)), "its repr")
            return found | {"is_elsewhere": True}
        return _of(self._evaluator.ask(("input", name), (value,), lambda: short(value)), "its repr")

    def _result(self, state: State | None) -> Json | None:
        run, task = self.run, self.target.task
        if run is None:
            if isinstance(task, Parameter) and not task.required:
                return self._rich(task.default) | {"title": "Default"}
            return None
        if state is None or not state.is_successful() or state.is_skipped():
            return None
        if isinstance(state, Mapped):
            if run.timings.get(task, (0, None))[1] is None:
                return None
            return self._elsewhere(state) or _of(
                self._evaluator.ask("result", (state,), lambda: rich(state.result)), "its repr"
            )
        if state.released is not None:
            return _given_back(state.released)
        return self._elsewhere(state) or self._rich(state.result)

    def _elsewhere(self, state: State) -> Json | None:
        """Say what is known of a value that is elsewhere and was not fetched; None of one that is here."""
        away = [value for value in references_in(state) if not value.is_here]
        if not away:
            return None
        gone = next((value.gone for value in away if value.is_gone), None)
        if gone is not None:
            return _given_back(gone)
        found = self._evaluator.ask("elsewhere", (state,), lambda: elsewhere(held_by(state)))
        return _of(found, "its repr") | {"is_elsewhere": True}

    def _rich(self, value: Any) -> Json:
        return _of(self._evaluator.ask("result", (value,), lambda: rich(value)), "its repr")

    def _error(self, state: State | None) -> Json | None:
        if state is None or state.is_successful():
            return None
        error = state.result
        if issubclass(type(error), BaseException):
            return _of(self._evaluator.ask("error", (error,), lambda: told(error)), "telling of the error")
        return None

    def _source(self, state: State | None) -> Json:
        run, task = self.run, self.target.task
        stamp = (task, state, vars(task).get("run"))
        found = self._evaluator.ask(
            "source", stamp, lambda: source_of(task, run) | {"doc": doc_of(task), "kind": kind_of(task)}
        )
        return _of(found, "looking for its source")

    # -- several ----------------------------------------------------------------------------------------------

    def _group(self) -> Json:
        run, tasks = self.run, list(self.target.tasks)
        order = sorted(tasks, key=lambda task: not (run is not None and run.states[task].is_failed()))
        names = Counter(state_name(None if run is None else run.states.get(task)) for task in tasks)
        counts = [[name, state_look(name).label, count] for name, count in names.most_common()]
        return {
            "head": {"what": "group", "name": one_line(tasks[0].name, NAME_LIMIT), "kind": "group"},
            "members": {"listed": self.neighbours.chips(order, run), "total": len(tasks), "counts": counts},
            "source": self._source(None),
        }


def _given_back(gone: Released) -> Json:
    return {"problem": f"given back: {gone.why}; {gone.remedy}"}


def _times(
    run: Run | None, task: Task, index: int | None, history: Json | None
) -> tuple[float | None, float | None, bool]:
    if run is None or history is None:
        return None, None, False
    attempts = history["attempts"]
    if index is not None and attempts:
        start, seconds = attempts[-1][1], attempts[-1][2]
        return start, seconds, seconds is None
    begun, ended = run.timings.get(task, (None, None))
    if begun is None or begun == ended:
        return None, None, False
    start = round(begun - (run.timings.started_at or begun), 3)
    return start, None if ended is None else round(ended - begun, 3), ended is None


def _of(answer: Answer | None, what: str) -> Json:
    if answer is None:
        return {"pending": True}
    if answer.problem:
        said = answer.problem if answer.problem.startswith("took") else f"raised {answer.problem}"
        return {"problem": f"{what} {said}"}
    found: Json = dict(answer.value)
    return found
