"""What the running code may know through `nbflow.context`: values of the run, and of each attempt."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from nbflow.errors import ParameterError


def run_values(
    given: dict[str, Any], *, flow_name: str, run_id: str, run_name: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return the context of a run: what the user gave, completed; a given `date` drives the derived dates."""
    values = dict(given)
    start = values.get("scheduled_start_time") or datetime.now(UTC)
    values["scheduled_start_time"] = start
    values.setdefault("date", start)
    day = _as_date(values["date"])
    for name, shift in (("yesterday", -1), ("today", 0), ("tomorrow", 1)):
        text = (day + timedelta(days=shift)).strftime("%Y-%m-%d")
        values.setdefault(name, text)
        values.setdefault(f"{name}_nodash", text.replace("-", ""))
    values["parameters"] = parameters
    values["task_loop_count"] = 1  # here once, so that it costs the attempts nothing
    values["flow_name"] = flow_name
    values["flow_run_id"] = run_id
    values["flow_run_name"] = run_name
    return values


def _as_date(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        raise ParameterError(
            f"context date {value!r} is not a date; give a date, a datetime or ISO text"
        ) from None
