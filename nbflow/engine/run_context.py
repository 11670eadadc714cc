"""What the running code may know through `nbflow.context`: values of the run, and of each attempt."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbflow.engine.events import warn_safely
from nbflow.engine.remote_value import fetched, is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATES = "_dates"  # the dates of the run around this one, to tell those that somebody has given since
_SHIFTS = {"yesterday": -1, "today": 0, "tomorrow": 1}


def run_values(
    given: dict[str, Any], *, flow_name: str, run_id: str, run_name: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return the context of a run: what the user gave, completed; a given `date` drives the derived dates."""
    values = dict(given)
    _drop_dates_of_outer_run(values)
    start = values.get("scheduled_start_time") or datetime.now(UTC)
    values["scheduled_start_time"] = start
    if values.get("date") is None:
        values["date"] = start
    derived = _derived(values["date"])
    for name, text in derived.items():
        values.setdefault(name, text)
    values[_DATES] = {"scheduled_start_time": start, "date": values["date"], **derived}
    values["parameters"] = parameters
    values.setdefault("task_loop_count", 1)  # here once, so that it costs the attempts nothing
    values["flow_name"] = flow_name
    values["flow_run_id"] = run_id
    values["flow_run_name"] = run_name
    return values


def _drop_dates_of_outer_run(values: dict[str, Any]) -> None:
    """Let a date that was given inside of a run, for one that is started there, win over that run's own."""
    outer = values.pop(_DATES, None) or {}
    if all(values.get(name) is outer.get(name) for name in ("scheduled_start_time", "date")):
        return
    for name, value in outer.items():
        if name != "scheduled_start_time" and values.get(name) is value:
            del values[name]


def _derived(given: object) -> dict[str, str]:
    try:
        return _around(_as_date(given))
    except Exception:  # noqa: BLE001 - a user's object, or the last day there is
        warn_safely(
            f"the context's date {given!r:.60} cannot be read as a date; today, tomorrow and so on are those of the "
            "present; give a date, a datetime or ISO text",
            UserWarning,
        )
        return _around(datetime.now(UTC).date())


def _around(day: date) -> dict[str, str]:
    found = {}
    for name, shift in _SHIFTS.items():
        found[name] = (day + timedelta(days=shift)).strftime("%Y-%m-%d")
        found[f"{name}_nodash"] = found[name].replace("-", "")
    return found


def _as_date(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, (int, float)):
        raise TypeError("a number is no date")
    return datetime.fromisoformat(str(value).strip().replace("/", "-")).date()


def run_name_of(name: Any, values: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
    """Return what an attempt is called: of a template, filled in; of a function, what it returns."""
    known = {key: value for key, value in values.items() if not key.startswith("_")}
    known = {**(known.get("parameters") or {}), **known, **inputs}
    if isinstance(name, str):
        return name.format_map(_Fetching(known)) if is_elsewhere(known) else name.format(**known)
    try:
        parameters = inspect.signature(name).parameters.values()
    except (TypeError, ValueError):  # it does not say what it takes
        return name(**fetched(known))
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = {p.name: known[p.name] for p in parameters if p.name in known}
    return name(**fetched(known))


class _Fetching(dict[str, Any]):
    """Fetches what is elsewhere when a template asks for it."""

    def __getitem__(self, key: str) -> Any:
        return fetched(super().__getitem__(key))
