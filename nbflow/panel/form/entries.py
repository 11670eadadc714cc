"""One parameter of the form as widgets: an input, None if it may be that, and what is to be said about it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.core.data.safe_equality import same
from nbflow.errors import ParameterError
from nbflow.panel.form.fields import NOT_GIVEN, PICKERS, Field
from nbflow.panel.form.literals import in_short, literal_text, read_literal
from nbflow.panel.widget_tree import close_all
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = 10_000  # a slider with more of them cannot be set to one
_ASKED = {"int": "a whole number", "float": "a number", "text": "a text", "lines": "a text"}


class Entry:
    """The widgets of one parameter.

    Args:
        field: What can be given.
        value: What is given at first, or NOT_GIVEN.
        on_edit: Called when the user has edited it.

    Attributes:
        field: The field.
        is_edited: Whether the user has changed it since it was last set.
        box: Its widgets, to be shown.
    """

    def __init__(self, field: Field, value: Any, on_edit: Callable[[Entry], None]) -> None:
        self.field = field
        self.is_edited = False
        self._on_edit = on_edit
        self._value = value
        self._problem = ""
        self._setter: int | None = None  # the thread that shows a value, which is no edit
        # Without a value a number's own input would show one: a text says what is missing.
        self._is_typed = field.kind == "literal" or (field.required and field.kind in ("int", "float"))
        self.input = _input(field, self._is_typed)
        self.input.observe(lambda _: self._edit(), "value")
        self.none: Any = None
        if field.optional and field.kind != "choice":
            self.none = ipywidgets.Checkbox(description=f"{one_line(field.name, 60)} is None", indent=False)
            self.none.add_class("nbflow-entry-none").observe(lambda _: self._edit(), "value")
        for widget in self.inputs:
            widget.add_class(f"nbflow-field-{widget.model_id}")
        self.note = ipywidgets.Label().add_class("nbflow-entry-note")
        self.box = ipywidgets.HBox([*self.inputs, self.note]).add_class("nbflow-entry")
        self.box.add_class(f"nbflow-entry-{field.kind}")
        self.set(value)

    @property
    def inputs(self) -> list[Any]:
        """What the user edits."""
        return [self.input] if self.none is None else [self.input, self.none]

    @property
    def value(self) -> Any:
        """The value that is given; NOT_GIVEN if there is none.

        Raises:
            ParameterError: If what was entered is no value.
        """
        if self._problem:
            raise ParameterError(f"{self.field.name}: {self._problem}")
        return self._value

    @property
    def has_problem(self) -> bool:
        """Whether what was entered is no value."""
        return bool(self._problem)

    @property
    def is_missing(self) -> bool:
        """Whether a value is needed that is not given."""
        return self._value is NOT_GIVEN and not self._problem

    def shows(self, value: Any) -> bool:
        """Tell whether this value is shown."""
        return not self._problem and (self._value is value or (same(self._value, value) and value is not NOT_GIVEN))

    def set(self, value: Any) -> None:
        """Show a value that is not the user's edit."""
        self._setter = threading.get_ident()
        try:
            self._value, self._problem, self.is_edited = value, "", False
            if self.none is not None:
                self.input.disabled = self.none.value = value is None
            if self.none is None or value is not None:
                self._show(value)
        finally:
            self._setter = None
        self.say("")

    def say(self, words: str) -> None:
        """Show what there is to say: a problem first, that it is required, or else these words."""
        if self._problem:
            words = self._problem
        elif self._value is NOT_GIVEN:
            words = f"required: {_ASKED[self.field.kind]}" if self.field.kind in _ASKED else "required"
        is_wrong = bool(self._problem)
        for name, is_on in (("nbflow-wrong", is_wrong), ("nbflow-edited", self.is_edited and not is_wrong)):
            (self.box.add_class if is_on else self.box.remove_class)(name)
        if self.note.value != words:
            self.note.value = words

    def close(self) -> None:
        """Close the widgets."""
        close_all(self.box)
        self.box.close()

    def _edit(self) -> None:
        if self._setter == threading.get_ident():
            return
        self.is_edited = True
        is_none = self.none is not None and self.none.value
        if self.input.disabled is not is_none:
            self.input.disabled = is_none
        try:
            self._value, self._problem = (None if is_none else self._read()), ""
        except ParameterError as error:
            self._problem = str(error)
        self._on_edit(self)

    def _read(self) -> Any:
        raw, kind = self.input.value, self.field.kind
        if kind in ("choice", "bool"):
            return raw
        # An empty text is a value where a text was given before.
        if raw is None or (self.field.required and raw == "" and not isinstance(self._value, str)):
            return NOT_GIVEN if self.field.required else self._refuse_nothing()
        if not self._is_typed:
            return raw
        if kind == "literal":
            return read_literal(raw) if raw.strip() else self._refuse_nothing()
        return self._number(raw)

    def _refuse_nothing(self) -> Any:
        raise ParameterError("nothing is entered")

    def _number(self, raw: str) -> Any:
        try:
            number = int(raw) if self.field.kind == "int" else float(raw)
        except ValueError:
            raise ParameterError(f"not {_ASKED[self.field.kind]}: {one_line(raw, 40)!r}") from None
        bounds = self.field.bounds
        if bounds is not None and not bounds[0] <= number <= bounds[1]:
            raise ParameterError(f"not within {bounds[0]} and {bounds[1]}: {number}")
        return number

    def _show(self, value: Any) -> None:
        field, widget = self.field, self.input
        if field.kind == "choice" or (field.kind == "bool" and field.required):
            found = next((one for _, one in widget.options if same(one, value)), NOT_GIVEN)
            if any(one is found for _, one in widget.options):
                widget.value = found
        elif self._is_typed:
            text = "" if value is NOT_GIVEN else literal_text(value)
            widget.value = text or ""
            widget.placeholder = (
                "required" if value is NOT_GIVEN else "" if text else f"{in_short(value)} unless edited"
            )
        elif value is NOT_GIVEN:
            widget.value = None if field.kind in PICKERS else ""
        else:
            widget.value = value


def _input(field: Field, is_typed: bool) -> Any:
    """Make the widget that ipywidgets has for such a value."""
    common: dict[str, Any] = {"description": one_line(field.name, 60), "style": {"description_width": "initial"}}
    kind, bounds = field.kind, field.bounds
    if kind == "choice" or (kind == "bool" and field.required):
        choices = list(field.choices or (("True", True), ("False", False)))
        if field.optional and not any(value is None for _, value in choices):
            choices.append(("None", None))
        if field.required:
            choices.insert(0, ("choose", NOT_GIVEN))
        return ipywidgets.Dropdown(options=choices, **common)
    if kind == "bool":
        return ipywidgets.Checkbox(indent=False, **common)
    if is_typed:
        return ipywidgets.Text(continuous_update=False, **common)
    if kind in ("int", "float") and bounds is not None:
        low, high, step = bounds
        is_slider = (high - low) / step <= _STEPS
        make: Any = {
            ("int", True): ipywidgets.IntSlider,
            ("int", False): ipywidgets.BoundedIntText,
            ("float", True): ipywidgets.FloatSlider,
            ("float", False): ipywidgets.BoundedFloatText,
        }[kind, is_slider]
        more: dict[str, Any] = {"readout_format": _format(step)} if is_slider and kind == "float" else {}
        if is_slider:
            more["continuous_update"] = False
        start = field.default if isinstance(field.default, (int, float)) else low
        return make(value=start, min=low, max=high, step=step, **more, **common)
    if kind == "int":
        return ipywidgets.IntText(**common)
    if kind == "float":
        return ipywidgets.FloatText(step=None, **common)
    if kind in PICKERS:
        return getattr(ipywidgets, PICKERS[kind])(**common)
    make = ipywidgets.Textarea if kind == "lines" else ipywidgets.Text
    return make(continuous_update=False, **({"rows": 3} if kind == "lines" else {}), **common)


def _format(step: float) -> str:
    """Return a format with as many places as a step has."""
    places = next((n for n in range(7) if abs(round(step, n) - step) < step * 1e-6), 6)
    return f".{max(places, 1)}f"
