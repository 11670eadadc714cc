"""The parameters and the executor of the runs started here, as a form made from what the flow says about them."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.core.data.safe_equality import same
from nbflow.core.parameter import Parameter
from nbflow.errors import ParameterError
from nbflow.panel.form.entries import Entry
from nbflow.panel.form.executor_choice import ExecutorChoice
from nbflow.panel.form.fields import NOT_GIVEN, Field, fields, fits
from nbflow.panel.form.literals import in_short
from nbflow.panel.part import Part
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

_MOST_SAID = 240


class Form(Part):
    """The parameters of the runs started here.

    Each parameter of the flow has a field, as ipywidgets' `interact` would have it: a check box for a bool, numbers, a
    slider for a range, a text, a drop-down menu for choices, pickers for dates and times; for anything else a text that
    takes a Python literal. What counts is `Parameter(annotation=...)`, then the annotation of the argument that
    takes the parameter, then the type of the default:

    * choices: `Literal["fast", "exact"]` or an `Enum`;
    * ranges: `Annotated[int, range(0, 11)]` (0 to 10), `Annotated[float, (0.0, 1.0)]`, `(0.0, 1.0, 0.05)` with a step;
    * None as well: `int | None`, or `Optional[int]`.

    A field shows the value of the run that is shown until the user edits it; an edit stays until a run has had it.

    Args:
        panel: The panel.
        parameters: Values to begin with.
        executor: Where the tasks of runs started here run, unless the user chooses otherwise; None: as the flow says.
    """

    def __init__(self, panel: Panel, parameters: Mapping[str, Any], executor: Any = None) -> None:
        super().__init__(panel)
        self._renewing = threading.RLock()  # a run may be started on one thread while the user edits on another
        self._start = dict(parameters)
        self._strange: dict[str, Any] = {}
        self._fields: tuple[Field, ...] = ()
        self.entries: dict[str, Entry] = {}
        self.toggle = ipywidgets.ToggleButton(description="Parameters", icon="caret-right")
        self.toggle.add_class("nbflow-entries-toggle").observe(lambda _: self._open(), "value")
        self.summary = ipywidgets.Label().add_class("nbflow-entries-summary")
        self.edits = ipywidgets.Label().add_class("nbflow-entries-edits")
        self.reset = ipywidgets.Button(description="Reset", tooltip="Return to the defaults")
        self.reset.add_class("nbflow-button").add_class("nbflow-entries-reset")
        self.reset.on_click(lambda _: panel.guarded(self.reset_all))
        self.executor = ExecutorChoice(executor, self._say)
        head = ipywidgets.HBox([self.toggle, self.summary, self.edits, self.reset, self.executor.box])
        self._area = ipywidgets.VBox().add_class("nbflow-entries-area")
        self.box = ipywidgets.VBox([head.add_class("nbflow-entries-head"), self._area]).add_class("nbflow-entries")
        self._area.layout.display = "none"

    @property
    def inputs(self) -> list[Any]:
        """What the user edits."""
        return [self.executor.input, *(one for entry in self.entries.values() for one in entry.inputs)]

    def followed(self, run: Run | None) -> None:
        """Show the fields of the flow as it is now, and the values of this run."""
        self.panel.guarded(self.renew)

    def renew(self) -> None:
        """Look at the flow again: its parameters may have changed; what the user has entered stays where it fits."""
        with self._renewing:
            self.executor.renew(self.panel.flow, self.panel.run)
            self._renew(fields(self.panel.flow))

    def values(self) -> dict[str, Any]:
        """Return the values for the next run.

        Raises:
            ParameterError: If a required one is not given, or what was entered is no value.
        """
        self.renew()
        given = {name: self._value(entry) for name, entry in self.entries.items()}
        missing = [name for name, value in given.items() if value is NOT_GIVEN]
        if missing:
            self.toggle.value = True
            raise ParameterError(
                f"give values of the required parameters: {', '.join(missing)}; fill them in under Parameters"
            )
        return self._strange | given

    def edited(self) -> dict[str, Any]:
        """Return the values that differ from those of the run that is shown.

        Raises:
            ParameterError: If what was entered is no value.
        """
        self.renew()
        given = {name: self._value(entry) for name, entry in self.entries.items() if entry.is_edited}
        return {name: value for name, value in given.items() if value is not NOT_GIVEN}

    def reset_all(self) -> None:
        """Return to the defaults."""
        self.panel.clear_error()
        with self._renewing:
            for field, base in zip(self._fields, self._bases(self._fields), strict=True):
                entry = self.entries[field.name]
                entry.set(field.default)
                entry.is_edited = field.default is not NOT_GIVEN and not same(field.default, base)
            self.executor.reset()
            self._say()
        self.panel.plans.edited()

    def _renew(self, found: tuple[Field, ...]) -> None:
        self._strange = {name: value for name, value in self._start.items() if name not in {f.name for f in found}}
        based = zip(found, self._bases(found), strict=True)
        entries = {field.name: self._entry(field, base) for field, base in based}
        is_other = list(entries.values()) != list(self.entries.values())
        gone = [entry for name, entry in self.entries.items() if entries.get(name) is not entry]
        self._fields, self.entries = found, entries
        if is_other:
            self._area.children = [entry.box for entry in entries.values()]
            self._open()
        (self.box.remove_class if entries else self.box.add_class)("nbflow-no-entries")
        for entry in gone:
            entry.close()
        self._say()

    def _entry(self, field: Field, base: Any) -> Entry:
        """Return the entry of a field: the one there is, if it can show what there is to show, or a new one."""
        known = self.entries.get(field.name)
        before = next((one for one in self._fields if one.name == field.name), None)
        if known is None or before is None or not field.is_like(before):
            start = self._start.get(field.name, base)
            entry = self._made(field, start)
            entry.is_edited = self.panel.run is not None and not same(start, base)
            return entry
        if known.is_edited:
            known.is_edited = not self._is_run(known, base)
        if known.is_edited or known.has_problem:
            return known
        if not fits(known.field, base) or (known.field.kind == "literal" and field.kind != "literal"):
            return self._made(field, base)
        if not known.shows(base):
            known.set(base)
        return known

    def _made(self, field: Field, value: Any) -> Entry:
        if not fits(field, value):
            field = replace(field, kind="literal", choices=(), bounds=None, optional=False)
        return Entry(field, value, self._edited)

    def _is_run(self, entry: Entry, base: Any) -> bool:
        return not entry.has_problem and same(entry.value, base)

    def _bases(self, found: tuple[Field, ...]) -> list[Any]:
        """Return what each parameter would be in a rerun: as in the run shown, or the default if that is new."""
        run = self.panel.run
        if run is None:
            return [self._start.get(field.name, field.default) for field in found]
        then = {task.name: task.default for task in run.graph.tasks if isinstance(task, Parameter)}
        return [
            run.parameters[field.name]
            if field.name in run.parameters
            and (field.required or not same(run.parameters[field.name], then.get(field.name)))
            else field.default
            for field in found
        ]

    def _value(self, entry: Entry) -> Any:
        try:
            return entry.value
        except ParameterError:
            self.toggle.value = True
            raise

    def _edited(self, entry: Entry) -> None:
        with self._renewing:
            bases = dict(zip((field.name for field in self._fields), self._bases(self._fields), strict=True))
            entry.is_edited = not self._is_run(entry, bases.get(entry.field.name))
            self._say()
        if not entry.has_problem:
            self.panel.guarded(self.panel.plans.edited)

    def _say(self) -> None:
        """Say what the run had, and what has been edited since."""
        run = self.panel.run
        shown = (
            self._bases(self._fields) if run is None else [run.parameters.get(f.name, NOT_GIVEN) for f in self._fields]
        )
        for field, value in zip(self._fields, shown, strict=True):
            words = ""
            if self.entries[field.name].is_edited and value is not NOT_GIVEN:
                before = "the default is" if run is None else f"run {run.number} had"
                words = f"edited; {before} {in_short(value)}"
            self.entries[field.name].say(words)
        words = ", ".join(
            f"{one_line(field.name, 40)} = {in_short(value)}"
            for field, value in zip(self._fields, shown, strict=True)
            if value is not NOT_GIVEN
        )
        _set(self.summary, one_line(words, _MOST_SAID))
        count = sum(entry.is_edited for entry in self.entries.values()) + self.executor.is_edited
        missing = [entry for entry in self.entries.values() if entry.is_missing]
        parts = [f"{count} edited, not run yet"] if count else []
        parts += [f"{len(missing)} required"] if missing else []
        _set(self.edits, "; ".join(parts))

    def _open(self) -> None:
        self._area.layout.display = "" if self.toggle.value and self.entries else "none"
        self.toggle.icon = "caret-down" if self.toggle.value else "caret-right"


def _set(label: Any, words: str) -> None:
    if label.value != words:
        label.value = words
