"""Plays a program and its user's steps in nbflow, and says what was found after each."""

from __future__ import annotations

import traceback
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow import context, states
from nbflow.engine.renewal import renew
from nbflow.errors import NbflowError, NothingToRerunError
from tests.properties.programs import steps as do
from tests.properties.programs.normal import Form, normal
from tests.properties.programs.reference import Cells

if TYPE_CHECKING:
    from tests.properties.programs.steps import Step
    from tests.properties.programs.text import Program

PATIENCE_S = 20


@dataclass
class Found:
    """What is found after the first run, or after a step.

    Attributes:
        forms: How each task and parameter ended, and its value.
        ran: The tasks that ran.
        planned: The tasks that the plan named; None if there was no plan.
        said: Warnings, notes, and what failed tasks say that is nbflow's own error.
        refused: The words of a refusal.
        error: The traceback of what is no refusal.
        reruns: How many reruns there were.
        renamed: The cells that give other names by now than in the run that was held at them.
    """

    forms: dict[str, Form] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    planned: set[str] | None = None
    said: list[str] = field(default_factory=list)
    refused: str = ""
    error: str = ""
    reruns: int = 0
    renamed: set[str] = field(default_factory=set)


class Player:
    """Plays one program; `found` has what is found, as far as it goes."""

    def __init__(self, program: Program, steps: tuple[Step, ...]) -> None:
        self.program = program
        context.caches.clear()
        self.cells = Cells()
        self.names = self.cells.names
        self.bodies: dict[str, tuple[str, ...]] = {}
        self.given: dict[str, Any] = {}
        self.run: Any = None
        self.found: list[Found] = []
        self._play(None)
        for step in steps:
            if self.found[-1].refused or self.found[-1].error:
                break
            self._play(step)

    def _play(self, step: Step | None) -> None:
        found = Found()
        self.found.append(found)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                before = self.run
                if step is None:
                    for source in self.program.cells().values():
                        self.cells.execute(source)
                    self._full_run()
                else:
                    self._perform(step, found)
                self._look(found, began=self.run is not before)
            except NbflowError as error:
                found.refused = f"{type(error).__name__}: {error}"
            except Exception:
                found.error = traceback.format_exc()
        found.said += [str(one.message) for one in told]

    def _perform(self, step: Step, found: Found) -> None:
        for name, body in step.bodies.items():
            if step.op != do.PIN:
                self._define(name, body)
        if step.op == do.UNCHANGED and step.task:
            self._define(step.task, self.bodies.get(step.task))
        match step.op:
            case do.RUN:
                self._full_run()
            case do.FILE:
                self.cells.execute(step.text)
                self._rerun(found, "stale")
            case do.UNCHANGED | do.EDIT_STALE | do.BREAK:
                self._rerun(found, "stale")
            case do.FIX:
                self._rerun(found, "failed")
            case do.RERUN_TASK | do.EDIT_TASK:
                self._rerun(found, [self._task(step.task)])
            case do.PARAMETER:
                self.given[step.parameter] = eval(step.text, self.names)
                self._rerun(found, "stale", **{step.parameter: self.given[step.parameter]})
            case do.PIN:
                if self.run.states[self._task(step.task)].is_successful():
                    self.run.pin(self._task(step.task))
                for name, body in step.bodies.items():
                    self._define(name, body)
                self._rerun(found, "stale")
            case do.SET:
                self._renew()
                self.run = self.names["flow"].start(paused=True, **self.given)
                self.run.set_result(self._task(step.task), eval(step.text, self.names))
                self.run.resume()
                self._wait()
            case do.USER:
                state = self.run.states[self._task(step.task)]
                if state.is_successful():
                    self.cells.execute(_changing(step.text))
                    self.names["change"](state.result)
                self._rerun(found, [self._task(name) for name in self.program.takers(step.task)])
            case do.HOLD:
                self._rerun(found, "stale", hold_on_failure=True)
                task = self._task(step.task)
                self._define(step.task, step.fixed)
                if self.run.is_finished:  # nothing failed: what comes before it did, or is not new to nbflow
                    self._rerun(found, "stale")
                    return
                while self.run.held and not self.run.is_finished:
                    if task in self.run.held:
                        self.run.retry(task)
                    self.run.resume()
                    self.run.wait(PATIENCE_S, or_held=True)
                self._wait()

    def _define(self, name: str, body: tuple[str, ...] | None) -> None:
        if body is not None:
            self.bodies[name] = body
        self.cells.execute(self.program[name].cell(body))

    def _renew(self) -> None:
        """Do what executing the cell of the flow again does: its tasks get the functions of now."""
        for task in self.names["flow"].tasks:
            renew(
                task,
                {edge.key: None for edge in self.names["flow"].edges_to(task) if edge.key}
                | dict(self.names["flow"].constants.get(task, {})),
            )

    def _full_run(self) -> None:
        self._renew()
        self.names["flow"].run(**self.given)
        self.run = self.names["flow"].runs[-1]

    def _rerun(self, found: Found, what: Any, **options: Any) -> None:
        options = {"hold_on_failure": False, **options}  # afterwards it may have failed, and be held
        try:
            self.run = self.run.rerun(what, **options)
        except NothingToRerunError:
            found.planned = set()
            return
        found.reruns += 1
        found.planned = self._names(self.run.plan.tasks)
        if options["hold_on_failure"]:
            self.run.wait(PATIENCE_S, or_held=True)
        else:
            self._wait()

    def _wait(self) -> None:
        self.run.wait(PATIENCE_S)
        if not self.run.is_finished:
            raise TimeoutError(f"{self.run!r} is not finished")

    def _task(self, name: str) -> Any:
        return self.names[f"v_{name}"]

    def _names(self, tasks: Any) -> set[str]:
        mine = {self._task(task.name): task.name for task in self.program.tasks}
        return {mine[task] for task in tasks if task in mine}

    def _look(self, found: Found, *, began: bool) -> None:
        for name in (*self.program.parameters, *(task.name for task in self.program.tasks)):
            state = self.run.states[self._task(name)]
            found.forms[name] = _form(state)
            if not state.is_successful() and isinstance(state.result, NbflowError):
                found.said.append(f"{name}: {state.result}")
        if began:
            events = self.run.events
            found.ran = self._names(e.task for e in events if e.kind == "task" and isinstance(e.state, states.Running))
            found.said += notes(events)


def notes(events: Any) -> list[str]:
    """Return what a run said on its way, but that it is held."""
    told = [event.note for event in events if event.kind == "note"]
    return [f"note: {note}" for note in told if not note.startswith("held")]


def _form(state: Any) -> Form:
    if state.is_successful():
        return "ok", normal(state.result)
    if isinstance(state, states.TriggerFailed) or state.result is None:  # a map of what failed says no more
        return ("not run",)
    return "failed", type(state.result).__name__


def _changing(text: str) -> str:
    lines = [f"    {line}" for line in text.split("\n")]
    return "\n".join(["def change(value):", *lines])
