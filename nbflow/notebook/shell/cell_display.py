"""The output of tasks: `display`, figures, and the last line of a cell that has become a task.

As in a cell it is shown where somebody waits for the run, and its text is kept in the task's log. A run in the
background shows nothing, since the cell that it belongs to has ended: its pictures are kept with its log.
"""

from __future__ import annotations

import base64
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.context import thread
from nbflow.engine.capture import keep, keep_figure
from nbflow.engine.live_runs import live_runs
from nbflow.executors.remote_display import shown_remotely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow

_WIDGET = "application/vnd.jupyter.widget-view+json"


class _Waiting(NamedTuple):
    """A picture that is shown when the run is over."""

    task: Task
    child: int
    data: dict[str, Any]
    metadata: Any


class DisplayFollower:
    """Stands before the shell's display publisher, and keeps what tasks display."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.publisher: Any = shell.display_pub
        self.publish_as_before = self.publisher.publish
        setattr(self.publisher, "publish", self.publish)  # noqa: B010 - the publisher itself is kept by others

        self.clears = 0  # how often the outputs of a cell were cleared
        self._clear_as_before: Any = self.publisher.clear_output
        setattr(self.publisher, "clear_output", self.clear_output)  # noqa: B010 - the same

        self._order: dict[str, list[_Waiting]] = {}

    @contextmanager
    def in_task_order(self, flow: Flow) -> Iterator[None]:
        """Show the pictures that other threads make in runs begun in this `with` at its end, in the tasks' order."""
        begun: list[Run] = []

        def note(run: Run) -> None:
            if threading.get_ident() == here:
                self._order[run.id] = []
                begun.append(run)

        here = threading.get_ident()
        forget = flow._on_start(note)
        try:
            yield
        finally:
            forget()
            for run in begun:
                for one in sorted(self._order.pop(run.id), key=lambda one: (run.graph.index[one.task], one.child)):
                    self.publish_as_before(one.data, one.metadata)

    def end(self) -> None:
        """Take itself away, unless somebody else stands there by now."""
        if getattr(self.publisher.publish, "__self__", None) is self:
            self.publisher.publish = self.publish_as_before
        if getattr(self.publisher.clear_output, "__self__", None) is self:
            self.publisher.clear_output = self._clear_as_before

    def clear_output(self, *args: Any, **kwargs: Any) -> Any:
        """Clear as usual, and count it: what was to be updated in place is gone."""
        self.clears += 1
        return self._clear_as_before(*args, **kwargs)

    def publish(self, data: Any, metadata: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Publish as usual; what a task shows is kept with the run, which alone has it if nobody waits for that."""
        values = thread.data
        if "_task" in values and not kwargs.get("update") and isinstance(data, dict):
            _keep(data)
            is_alive = _WIDGET in data or kwargs.get("transient")  # what will change where it stands
            if not is_alive and _is_in_background(values.get("flow_run_id")):
                return None
            waiting = self._order.get(values.get("flow_run_id", ""))
            # On the thread on which cells are executed, its tasks come one after the other.
            is_waiting_thread = threading.current_thread() is threading.main_thread()
            if waiting is not None and "image/png" in data and not is_waiting_thread:
                waiting.append(_Waiting(values["_task"], values.get("map_index") or 0, data, metadata))
                return None
        return self.publish_as_before(data, metadata, *args, **kwargs)


def follower_of(shell: InteractiveShell | None) -> DisplayFollower | None:
    """Return what follows the displays of a shell."""
    found = getattr(getattr(getattr(shell, "display_pub", None), "publish", None), "__self__", None)
    return found if isinstance(found, DisplayFollower) else None


def keep_shown(task: str, value: Any) -> None:
    """Show the value of a task's last expression if somebody waits for the run, and keep it in the task's log."""
    remote = shown_remotely()
    if remote is not None:
        remote.show_last(task, value)
        return
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    follower = follower_of(get_ipython())
    values = thread.data
    log = None if "_logs" not in values or "_task" not in values else values["_logs"][values["_task"]]
    before = 0 if log is None else len(log)
    if follower is not None and "flow_run_id" in values:
        if not _is_in_background(values["flow_run_id"]):
            follower.publish_as_before({"text/plain": f"{task}:"}, {})
        display(value)
    if log is not None and not any(line.stream == "display" for line in log[before:]):
        keep("display", f"{_text_of(value)}\n")


def _keep(data: dict[str, Any]) -> None:
    if "text/plain" in data:
        keep("display", f"{data['text/plain']}\n")
    picture = data.get("image/png")
    if picture is not None:
        keep_figure(base64.b64decode(picture) if isinstance(picture, str) else bytes(picture))


def _is_in_background(run_id: object) -> bool:
    return any(run.id == run_id for run in live_runs())


def _text_of(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - in a cell it would be shown, and the cell would be well
        return f"<{type(value).__name__}, whose repr raised {error!r}>"
