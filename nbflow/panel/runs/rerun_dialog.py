"""Reruns with their plan shown before they are started."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.data.safe_equality import same_values
from nbflow.engine.given_parameters import GivenParameters
from nbflow.errors import NothingToRerunError
from nbflow.panel.background import Background
from nbflow.panel.part import Part
from nbflow.panel.runs.plan_json import NOTHING, plan_json, signature
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.panel.widget import Panel

_TITLES = {"failed": "Rerun what failed", "stale": "Rerun what is stale", "all": "Rerun everything"}
_SELECT_FIRST = "Select a task or a block first, in the graph or in the table."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, and the plan that was shown for it."""

    word: str
    what: Any
    title: str
    run: Run
    parameters: Mapping[str, Any]
    plan: Plan | None = None
    results: Mapping[Task, Any] | None = None

    @property
    def may_be_empty(self) -> bool:
        """Whether a run is worth it in which nothing runs."""
        return self.word == "all" or bool(self.results)


class RerunDialog(Part):
    """Shows what a rerun would do, and starts it. Nothing of it is done on the thread of a callback.

    The script is told `plan`: `is_shown` False takes it away.
    """

    handles: ClassVar[Mapping[str, str]] = {"plan": "_ask_for", "follow": "_follow", "drop_plan": "_drop"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.background = Background(panel.guarded, "plan")
        self._starting = threading.Lock()
        self._asked: Asked | None = None

    def ask(self, what: str, key: str = "", note: str = "") -> None:
        """Show what a rerun would do.

        Args:
            what: "failed", "stale", "all", or "from" (the task or block with this key).
            key: By default that of the selection.
            note: What else to say.
        """
        run = self.panel.run
        if run is None:
            self._tell_nothing("Rerun", "The flow has not been run yet.")
            return
        title, wanted = _TITLES.get(what, "Rerun"), self._wanted(what, key or self.panel.selected[0])
        if wanted is None:
            self._tell_nothing("Rerun from the selected task", _SELECT_FIRST)
            return
        if what == "from":
            title = f"Rerun from {one_line(wanted[0].name, 60)}"
        asked = Asked(word=what, what=wanted, title=title, run=run, parameters=self.panel.form.edited())
        self.background.ask(lambda is_latest: self._show(asked, note, is_latest))

    def ask_with(self, run: Run, task: Task, value: object) -> None:
        """Show what going on from a run that is over would do, with a value in place of a task's own.

        Raises:
            RerunError, NbflowError: As for `Run.rerun`.
        """
        run.rerun(results={task: value}, dry=True)  # what is refused is told where the value was typed
        title = f"Go on with another value of {one_line(task.name, 60)}"
        parameters = self.panel.form.edited()
        asked = Asked(word="set", what="all", title=title, run=run, parameters=parameters, results={task: value})
        self.background.ask(lambda is_latest: self._show(asked, "", is_latest))

    def edited(self) -> None:
        """The form was edited: a plan that is shown is to say what comes of that."""
        asked = self._asked
        if asked is not None:
            self._again(asked, asked.run, "")

    def followed(self, run: Run | None) -> None:
        """Another run is shown: a plan that is shown is about a former one."""
        asked = self._asked
        if asked is None or run is asked.run:
            return
        if run is None:
            self._drop({})
        else:
            note = f"Run {run.number} is shown now: this plan goes on from it."
            self.panel.guarded(lambda: self._again(asked, run, note))

    def ended(self, run: Run) -> None:
        """The run is over: nothing has to be cancelled any more, and it is known what failed."""
        asked = self._asked
        if asked is not None and asked.run is run:
            self.panel.guarded(lambda: self._again(asked, run, f"Run {run.number} has ended since."))

    def close(self) -> None:
        """Forget the plan."""
        self._asked = None
        self.background.drop()

    def _ask_for(self, message: Json) -> None:
        self.ask(str(message.get("what", "all")), str(message.get("key") or ""))

    def _wanted(self, what: str, key: str) -> Any:
        """Return what `Run.rerun` takes; None if nothing is selected."""
        if what != "from":
            return what
        one: Any = self.panel.picture.task(key) or self.panel.picture.block(key)
        return None if one is None else [one]

    def _show(self, asked: Asked, note: str, is_latest: Callable[[], bool]) -> None:
        run = asked.run
        plan = run.rerun(asked.what, dry=True, results=asked.results, parameters=GivenParameters(asked.parameters))
        if not is_latest():
            return
        shown = plan_json(plan, run)
        is_empty = shown["is_empty"] and not asked.may_be_empty
        cancels = ""
        if not run.is_finished and not is_empty:
            cancels = f"Run {run.number} is still going. It is cancelled first, and its resources are cleaned up."
        self._asked = None if is_empty else replace(asked, plan=plan)
        shown |= {"what": asked.word, "title": asked.title, "number": run.number, "cancels": cancels, "note": note}
        self.panel.tell("plan", is_shown=True, **shown)

    def _again(self, asked: Asked, run: Run, note: str) -> None:
        again = replace(asked, run=run, parameters=self.panel.form.edited())
        self.background.ask(lambda is_latest: self._show(again, note, is_latest))

    def _follow(self, message: Json) -> None:
        asked = self._asked
        if asked is None:
            return
        if self.panel.run is not asked.run:
            if asked.results is None:
                self.ask(asked.word)
            else:  # of the run that it was set for
                self._drop({})
            return
        parameters, executor = self.panel.form.edited(), self.panel.form.executor.option
        self.background.ask(lambda is_latest: self._start(asked, parameters, executor, is_latest))

    def _start(self, asked: Asked, parameters: Mapping[str, Any], executor: Any, is_latest: Callable[[], bool]) -> None:
        run, hold = asked.run, self.panel.holds.value
        if run.is_finished:
            plan = run.rerun(asked.what, dry=True, results=asked.results, parameters=GivenParameters(parameters))
            assert asked.plan is not None, "it was shown"
            is_same = same_values(dict(plan.parameters), dict(asked.plan.parameters))
            if not is_same or signature(plan) != signature(asked.plan):
                note = "The flow has changed since: this is the plan now."
                self._show(replace(asked, parameters=parameters), note, is_latest)
                return
            if not self._takes(asked):
                return
            new = run.flow._start_plan(plan, executor=executor, hold_on_failure=hold, hold_limit_s=run.hold_limit_s)
        else:
            if not self._takes(asked):
                return
            try:
                given = GivenParameters(parameters)
                new = run.rerun(
                    asked.what, results=asked.results, parameters=given, executor=executor, hold_on_failure=hold
                )
            except NothingToRerunError:
                self._tell_nothing(asked.title, NOTHING.get(asked.word, "Nothing runs."))
                return
        self.panel.show(new)

    def _takes(self, asked: Asked) -> bool:
        """Take the plan away, and tell whether it was still there: pressed twice, it is started once."""
        with self._starting:
            if self._asked is not asked:
                return False
            self._drop({})
            return True

    def _drop(self, message: Json) -> None:
        self._asked = None
        self.background.drop()
        self.panel.tell("plan", is_shown=False)

    def _tell_nothing(self, title: str, headline: str) -> None:
        self._asked = None
        self.panel.tell(
            "plan", is_shown=True, what="", title=title, number=None, cancels="", note="", is_empty=True,
            headline=headline, rows=[], more=[0, 0], blocks=[], closed=0, parameters=[], gone=[], keys=[],
        )  # fmt: skip
