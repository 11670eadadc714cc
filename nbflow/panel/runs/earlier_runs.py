"""The runs that the flow's store has kept of earlier kernels: their list, and going on from one with its plan first."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.engine.given_parameters import GivenParameters
from nbflow.errors import NbflowError, StaleStoreError
from nbflow.flow.storage import earlier_runs
from nbflow.panel.background import Background
from nbflow.panel.part import Part
from nbflow.panel.runs.plan_json import plan_json, signature
from nbflow.panel.runs.stored_json import earlier_json
from nbflow.render.label_words import name_words
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.panel.widget import Panel
    from nbflow.store import StoredRun

WORDS = ("stale", "failed", "all")
_CHOICES = [["Run what has changed", "stale"], ["Keep results of changed code", "failed"], ["Run everything", "all"]]
_MOST_CHANGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The stored run that was asked for, and the plan that was shown for it."""

    id: str
    what: str | None
    plan: Plan


class EarlierRuns(Part):
    """Tells the list when it is asked for; shows what going on from a run would do, and does it.

    The script is told `earlier`, and `plan` as for a rerun. The store is read on a thread of its own; what cannot be
    read is told in words.
    """

    handles: ClassVar[Mapping[str, str]] = {"list_earlier": "_list", "resume": "_ask_for", "follow_resume": "_follow"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.listing = Background(panel.guarded, "earlier")
        self.background = Background(panel.guarded, "resume")
        self._starting = threading.Lock()
        self._asked: Asked | None = None
        self._is_wanted = False

    def ended(self, run: Run) -> None:
        """A run is over: the store keeps the newest few, so an earlier one may be gone."""
        if self._is_wanted:
            self._tell_list()

    def close(self) -> None:
        """Tell no more."""
        self._is_wanted = False
        self._asked = None
        self.listing.drop()
        self.background.drop()

    def _list(self, message: Json) -> None:
        self._is_wanted = True
        self._tell_list()

    def _tell_list(self) -> None:
        def tell(is_latest: Callable[[], bool]) -> None:
            runs, trouble = earlier_json(self.panel.flow)
            if is_latest():
                self.panel.tell("earlier", runs=runs[::-1], trouble=trouble)

        self.listing.ask(tell)

    def _ask_for(self, message: Json) -> None:
        run_id, what = str(message.get("id", "")), message.get("what")
        wanted = what if what in WORDS else None
        parameters = self.panel.form.edited()
        self.background.ask(lambda is_latest: self._show(run_id, wanted, parameters, "", is_latest))

    def _show(
        self, run_id: str, what: str | None, parameters: Mapping[str, Any], note: str, is_latest: Callable[[], bool]
    ) -> None:
        stored = self._find(run_id)
        if stored is None:
            self._tell_nothing("Resume", "This run is not in the store any more, or cannot be read.", is_latest)
            return
        title = f"Resume {_words(stored)}"
        going = self.panel.run
        if going is not None and not going.is_finished:
            text = f"Run {going.number} is still going. Cancel it, or wait for its end."
            self._tell_nothing(title, text, is_latest)
            return
        try:
            plan = stored.resume(what, dry=True, parameters=GivenParameters(parameters))
        except StaleStoreError as error:
            self._tell_changes(title, stored, error, is_latest)
            return
        except NbflowError as error:
            self._tell_nothing(title, str(error), is_latest)
            return
        shown = plan_json(plan, stored)
        # Where nothing is left to run, going on gives the results back to this kernel.
        if shown["is_empty"]:
            shown |= {"is_empty": False, "headline": "Nothing runs: all results are taken from the store."}
        self._tell(
            title, shown | {"note": note, "number": stored.number}, is_latest, Asked(id=run_id, what=what, plan=plan)
        )

    def _follow(self, message: Json) -> None:
        asked = self._asked
        if asked is None:
            return
        parameters, executor = self.panel.form.edited(), self.panel.form.executor.option
        self.background.ask(lambda is_latest: self._start(asked, parameters, executor, is_latest))

    def _start(self, asked: Asked, parameters: Mapping[str, Any], executor: Any, is_latest: Callable[[], bool]) -> None:
        stored, going = self._find(asked.id), self.panel.run
        given = GivenParameters(parameters)
        try:
            again = None if stored is None else stored.resume(asked.what, dry=True, parameters=given)
        except NbflowError:
            again = None
        is_same = again is not None and signature(again) == signature(asked.plan)
        if stored is None or not is_same or (going is not None and not going.is_finished):
            note = "The flow or the store has changed since: this is the plan now."
            self._show(asked.id, asked.what, parameters, note, is_latest)
            return
        with self._starting:
            if self._asked is not asked:
                return  # pressed twice
            self._asked = None
        self.panel.tell("plan", is_shown=False)
        hold = self.panel.holds.value
        self.panel.show(stored.resume(asked.what, parameters=given, executor=executor, hold_on_failure=hold))

    def _find(self, run_id: str) -> StoredRun | None:
        runs, _ = earlier_runs(self.panel.flow)
        return next((run for run in runs if run.id == run_id), None)

    def _tell_changes(
        self, title: str, stored: StoredRun, error: StaleStoreError, is_latest: Callable[[], bool]
    ) -> None:
        changes = [[one_line(slug, 80), one_line(why, 160)] for slug, why in error.changes.items()]
        shown = _nothing("Something has changed since. Say what is to run:") | {
            "changes": changes[:_MOST_CHANGES],
            "choices": [[*one, stored.id] for one in _CHOICES],
        }
        self._tell(title, shown, is_latest, None)

    def _tell_nothing(self, title: str, headline: str, is_latest: Callable[[], bool]) -> None:
        self._tell(title, _nothing(one_line(headline, 500)), is_latest, None)

    def _tell(self, title: str, shown: Json, is_latest: Callable[[], bool], asked: Asked | None) -> None:
        if not is_latest():
            return
        self.panel.plans.close()  # a rerun that was asked for before
        self._asked = asked
        fields: Json = {"cancels": "", "note": "", "changes": [], "choices": [], "follow": "follow_resume"}
        self.panel.tell("plan", is_shown=True, **{**fields, **shown, "what": "", "title": title})


def _words(stored: StoredRun) -> str:
    name = name_words(stored)
    return f"stored run {stored.number}" + (f" ({name})" if name else "")


def _nothing(headline: str) -> Json:
    return {
        "number": None, "is_empty": True, "headline": headline, "rows": [], "more": [0, 0], "blocks": [],
        "closed": 0, "parameters": [], "gone": [], "keys": [],
    }  # fmt: skip
