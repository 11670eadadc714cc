"""The form of parameters: what it shows, what it gives to runs, and what stays when the flow changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

from nbflow import Flow, Parameter, task
from nbflow.errors import ParameterError
from tests.panel.conftest import until
from tests.panel.test_panel import enabled


@pytest.fixture
def make_form(make_panel):
    """Make a panel of a flow with these parameters: `make_form(n=3, m=(default, annotation))`."""

    def make(*required, panel=None, **given):
        @task
        def take(**values):
            return values

        parameters = [Parameter(name) for name in required]
        for name, default in given.items():
            default, annotation = default if isinstance(default, tuple) else (default, None)
            parameters.append(Parameter(name, default=default, annotation=annotation))
        with Flow("example") as flow:
            take(**{parameter.name: parameter for parameter in parameters})
        return make_panel(flow, **(panel or {})).form

    return make


def run(form):
    form.panel.buttons["run"].click()
    until(lambda: form.panel.run is not None and form.panel.run.is_finished and "run" in enabled(form.panel))
    return form.panel.run


def change(form, **defaults):
    """Give the panel's flow other parameters, as a cell does that is executed again."""
    with Flow("example") as form.panel.flow:
        parameters = {name: Parameter(name, default=default) for name, default in defaults.items()}
        task(lambda **values: values, name="take")(**parameters)


def note(form, name):
    return form.entries[name].note.value


@pytest.mark.parametrize(
    ("default", "widget"),
    [
        (True, ipywidgets.Checkbox),
        (3, ipywidgets.IntText),
        ((3, Annotated[int, range(11)]), ipywidgets.IntSlider),
        ((3, Annotated[int, range(1_000_001)]), ipywidgets.BoundedIntText),
        (0.5, ipywidgets.FloatText),
        ((0.5, Annotated[float, (0.0, 1.0)]), ipywidgets.FloatSlider),
        ("a", ipywidgets.Text),
        ("a\nb", ipywidgets.Textarea),
        (("a", Literal["a", "b"]), ipywidgets.Dropdown),
        (date(2026, 1, 2), ipywidgets.DatePicker),
        (datetime(2026, 1, 2), ipywidgets.NaiveDatetimePicker),
        ([1, 2], ipywidgets.Text),
    ],
)
def test_each_kind_has_the_widget_of_ipywidgets_and_gives_back_its_default(make_form, default, widget):
    form = make_form(x=default)

    assert type(form.entries["x"].input) is widget
    assert form.entries["x"].input.description == "x"
    assert form.values() == {"x": default[0] if isinstance(default, tuple) else default}
    assert form.edited() == {}


def test_what_is_entered_is_what_the_next_run_gets(make_form):
    form = make_form(n=1, method=("fast", Literal["fast", "exact"]), dry=False)

    form.entries["n"].input.value = 5
    form.entries["method"].input.value = "exact"
    form.entries["dry"].input.value = True

    assert form.edits.value == "3 edited, not run yet"
    assert run(form).parameters == {"n": 5, "method": "exact", "dry": True}
    assert form.edits.value == ""
    assert form.summary.value == "n = 5, method = 'exact', dry = True"


def test_an_edit_is_marked_with_what_the_run_had_until_it_is_taken_back(make_form):
    form = make_form(n=1)
    run(form)

    form.entries["n"].input.value = 5
    assert note(form, "n") == "edited; run 1 had 1"
    assert form.edited() == {"n": 5}

    form.entries["n"].input.value = 1
    assert note(form, "n") == ""
    assert form.edited() == {}


def test_reset_returns_to_the_defaults(make_form):
    form = make_form(n=1, text="a")
    form.entries["n"].input.value = 5
    run(form)
    form.entries["text"].input.value = "b"

    form.reset.click()

    assert form.values() == {"n": 1, "text": "a"}
    assert form.edited() == {"n": 1}


def test_run_is_refused_until_what_is_required_is_given(make_panel, make_form):
    form = make_form("n", "name")
    assert form.toggle.value is False
    assert note(form, "n") == "required"

    form.panel.buttons["run"].click()

    assert form.panel.run is None
    assert form.panel._head.error == (
        "ParameterError: give values of the required parameters: n, name; fill them in under Parameters"
    )
    assert form.toggle.value is True  # they can be seen now
    make_panel.errors.clear()
    form.entries["n"].input.value = "[1, 2]"
    form.entries["name"].input.value = "'x'"
    assert run(form).parameters == {"n": [1, 2], "name": "x"}


def test_a_required_number_is_asked_for_in_words(make_panel):
    @task
    def take(n: int):
        return n

    with Flow("example") as flow:
        take(Parameter("n"))
    form = make_panel(flow).form
    assert note(form, "n") == "required: a whole number"

    form.entries["n"].input.value = "four"
    assert note(form, "n") == "not a whole number: 'four'"
    form.entries["n"].input.value = "4"

    assert form.values() == {"n": 4}


def test_what_is_no_literal_is_said_beside_the_field_and_refused(make_panel, make_form):
    form = make_form(x=[1, 2])

    form.entries["x"].input.value = "[1, 2"

    assert note(form, "x") == "no Python literal: '[1, 2'; texts need quotes"
    form.panel.buttons["run"].click()
    assert form.panel.run is None
    assert "x: no Python literal" in form.panel._head.error
    make_panel.errors.clear()


def test_none_is_a_check_box_beside_the_field(make_form):
    form = make_form(n=(None, int | None))
    entry = form.entries["n"]
    assert entry.none.value
    assert entry.input.disabled

    entry.none.value = False
    entry.input.value = 4
    assert form.values() == {"n": 4}
    entry.none.value = True
    assert form.values() == {"n": None}


def test_an_optional_choice_has_none_among_its_choices(make_form):
    form = make_form(n=("a", Literal["a", "b"] | None))

    form.entries["n"].input.value = None

    assert form.values() == {"n": None}


def test_a_value_that_can_not_be_written_is_kept_until_it_is_edited(make_form):
    class Odd:
        def __repr__(self):
            raise ValueError("no")

    odd = Odd()
    form = make_form(x=odd)

    assert form.entries["x"].input.placeholder == "<Odd> unless edited"
    assert form.values()["x"] is odd
    assert form.summary.value == "x = <Odd>"


def test_the_panel_begins_with_the_values_it_is_given(make_form):
    form = make_form(n=1, m=2, panel={"parameters": {"n": 7}})

    assert form.values() == {"n": 7, "m": 2}
    assert run(form).parameters == {"n": 7, "m": 2}


def test_a_value_that_does_not_fit_its_field_gets_one_that_shows_it(make_form):
    form = make_form(n=(1, Annotated[int, range(3)]), panel={"parameters": {"n": "many"}})

    assert form.values() == {"n": "many"}


def test_a_run_started_elsewhere_shows_in_the_fields_that_were_not_edited(make_form):
    form = make_form(n=1, m=2)
    form.entries["m"].input.value = 9

    form.panel.flow.run(n=4)

    until(lambda: form.panel.run is not None and form.panel.run.is_finished)
    assert form.entries["n"].input.value == 4
    assert form.entries["m"].input.value == 9
    assert form.edited() == {"m": 9}


def test_a_flow_that_changes_keeps_the_entries_that_still_fit(make_form):
    form = make_form(n=1, m=2, gone=3)
    for name, value in (("n", 5), ("m", 6), ("gone", 7)):
        form.entries[name].input.value = value
    old = form.entries["gone"].input

    change(form, n=2, m="text", new=True)
    form.renew()

    assert form.values() == {"n": 5, "m": "text", "new": True}
    assert old.comm is None  # closed


def test_a_default_that_has_changed_since_the_run_is_what_the_form_shows(make_form):
    form = make_form(n=1)
    run(form)

    change(form, n=2)

    assert form.values() == {"n": 2}


def test_names_and_values_of_users_are_short_and_one_line(make_form, sent):
    form = make_form(**{"a" * 500: "v" * 9_000, "b": "<img src=x>\n" * 3_000})

    assert len(form.summary.value) <= 240
    assert all(len(entry.input.description) <= 60 for entry in form.entries.values())
    assert "<img src=x>\\n<img" not in repr(sent)[:2_000_000] or len(repr(sent)) < 2_000_000


def test_a_closed_panel_leaves_no_widget_of_its_form(make_form):
    before = set(_instances)
    form = make_form(n=1, m=("a", Literal["a", "b"] | None), k=(None, int | None))

    form.panel.close()

    assert set(_instances) <= before


@pytest.mark.parametrize("default", [3, 1.5, True, "text", date(2026, 1, 1), [1]])
def test_a_parameter_that_becomes_required_asks_for_a_value(make_form, default):
    form = make_form(p=default)
    assert form.values() == {"p": default}

    with Flow("example") as form.panel.flow:
        task(lambda p: p, name="take")(Parameter("p", annotation=type(default)))

    with pytest.raises(ParameterError, match="required"):
        form.values()
    assert form.panel._head.error == ""
    change(form, p=default)
    assert form.values() == {"p": default}


# A press brings along what was edited


def press(form, command, **states):
    """Press a button as the script does where something was edited: `press(form, "run", n={"value": 3})`."""
    fields = {form.entries[name].input.model_id: state for name, state in states.items()}
    form.panel._body._handle_custom_msg({"kind": "press", "command": command, "fields": fields}, [])
    until(lambda: form.panel.run is None or form.panel.run.is_finished)
    return form.panel.run


def test_a_press_brings_along_what_was_edited_but_has_not_arrived(make_form):
    form = make_form(n=3, day=date(2026, 1, 31), method=("fast", Literal["fast", "exact"]), limit=(None, int | None))
    none = form.entries["limit"].none.model_id

    states = {
        "n": {"value": 7},
        "day": {"value": {"year": 2026, "month": 1, "date": 1}},
        "method": {"index": 1},
    }
    fields = {form.entries[name].input.model_id: state for name, state in states.items()}
    fields |= {none: {"value": False}, form.entries["limit"].input.model_id: {"value": 5}}
    form.panel._body._handle_custom_msg({"kind": "press", "command": "run", "fields": fields}, [])
    until(lambda: form.panel.run is not None and form.panel.run.is_finished)

    assert form.panel.run.parameters == {"n": 7, "day": date(2026, 2, 1), "method": "exact", "limit": 5}
    assert form.edits.value == ""


def test_what_arrives_later_of_an_edit_that_a_run_has_had_is_an_edit_as_far_as_it_differs(make_form):
    form = make_form(n=3)
    press(form, "run", n={"value": 9})

    form.entries["n"].input.set_state({"value": 7})
    assert form.edits.value == "1 edited, not run yet"
    form.entries["n"].input.set_state({"value": 9})
    assert form.edits.value == ""


def test_only_values_of_fields_are_taken_and_only_of_this_form(make_form):
    form, other = make_form(n=3), make_form(n=3)
    strange = {"nothing": {"value": 5}, other.entries["n"].input.model_id: {"value": 5}, "": 5}

    for fields in (strange, [5], None):
        message = {"kind": "press", "command": "run", "fields": fields}
        form.panel._body._handle_custom_msg(message, [])
        until(lambda: form.panel.run is not None and form.panel.run.is_finished)
        assert form.panel.run.parameters == {"n": 3}
    press(form, "run", n={"value": 4, "description": "other"})

    assert form.panel.run.parameters == {"n": 4}
    assert form.entries["n"].input.description == "n"
    assert other.entries["n"].value == 3


def test_a_state_that_is_no_value_of_its_field_is_told_and_starts_nothing(make_form, make_panel):
    form = make_form(n=3)

    press(form, "run", n={"value": "many"})

    assert form.panel.run is None
    assert "many" in form.panel._head.error
    make_panel.errors.clear()


def test_a_press_too_late_does_nothing_but_keeps_what_was_edited(make_form):
    form = make_form(n=3)
    press(form, "resume", n={"value": 4})
    press(form, "no such command", n={"value": 5})

    assert form.panel.run is None
    assert form.entries["n"].value == 5


def test_a_press_brings_along_whether_to_hold_and_what_to_rerun(make_form):
    form = make_form(n=3)
    bar = form.panel.commands.bar
    fields = {bar.holds.model_id: {"value": True}, bar.what.model_id: {"index": 1}}

    form.panel._body._handle_custom_msg({"kind": "press", "command": "run", "fields": fields}, [])
    until(lambda: form.panel.run is not None)

    assert form.panel.run.hold_on_failure
    until(lambda: form.panel.run.is_finished)
