"""What a cell shows at its end, when the cell has become a task: shown by a blocking run, kept with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.capture import keep

if TYPE_CHECKING:
    from nbflow.flow import Flow


def keep_shown(task: str, value: Any, flow: Flow | None) -> None:
    """Show the value of a task's last expression if somebody waits for the run, and keep its text in the task's log.

    Args:
        task: What the task is called.
        value: The value.
        flow: The flow that runs, if it is known.
    """
    text = _text_of(value)
    keep("display", f"{text}\n")
    if flow is not None and _is_waited_for(flow):
        _display(task, value)


def _is_waited_for(flow: Flow) -> bool:
    run_id = thread.data.get("flow_run_id")
    return any(run.id == run_id and run._thread is None for run in flow.runs.copy())


def _display(task: str, value: Any) -> None:
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return
    display({"text/plain": f"{task}:"}, raw=True)
    display(value)


def _text_of(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - in a cell it would be shown, and the cell would be well
        return f"<{type(value).__name__}, whose repr raised {error!r}>"
