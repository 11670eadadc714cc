"""The panel: buttons that command runs of one flow, and a live view of the newest of them.

All that a callback does is put a command on a run, so it does not matter on which thread the front end's messages
arrive, or how busy the kernel is.
"""

from __future__ import annotations

import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.panel.comm_routing import take_at_once
from nbflow.panel.controls.breakpoint_chips import BreakpointChips
from nbflow.panel.controls.button_commands import Commands
from nbflow.panel.display_tracker import display_tracker
from nbflow.panel.failures.failure_list import FailureList
from nbflow.panel.form.form import Form
from nbflow.panel.inspector.children_table import ChildrenTable
from nbflow.panel.inspector.inspector import Inspector
from nbflow.panel.inspector.run_log import RunLog
from nbflow.panel.part import RUN
from nbflow.panel.picture.folds import Folds
from nbflow.panel.picture.graph_view import GraphView
from nbflow.panel.runs.earlier_runs import EarlierRuns
from nbflow.panel.runs.rerun_dialog import RerunDialog
from nbflow.panel.runs.runs import Runs
from nbflow.panel.sanitize import words_of
from nbflow.panel.static_copy import StaticCopies, is_terminal, terminal_text
from nbflow.panel.subshell import subshell
from nbflow.panel.throttle import Throttle
from nbflow.panel.timeline.timeline import Timeline
from nbflow.panel.widget_tree import all_widgets, close_all
from nbflow.panel.widgets import Body, Head
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.events import Event
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.picture.static_snapshot import Picture

# So long the display of a panel waits for its drawing, to put it into the copy as well.
_DRAWING_S = 0.5


class Panel(ipywidgets.VBox):
    """A live view of a flow and its newest run, with buttons.

    Args:
        flow: The flow that Run and Step start.
        run: The run to show; None shows the flow before its first run.
        follows_flow: Whether runs of the flow that are started elsewhere are shown as well.
        parameters: Values of parameters for the form to begin with.
        options: More keyword arguments of `flow.start`, such as `executor`.
        on_error: Called with whatever a callback raised, after the panel has shown it; for tests.
        make_coalescer: Makes what limits the messages to the browser; for tests.
    """

    is_closed = True

    def __init__(
        self,
        flow: Flow,
        run: Run | None = None,
        *,
        follows_flow: bool = True,
        parameters: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        make_coalescer: Callable[..., Throttle] = Throttle,
    ) -> None:
        self.flow = flow
        self.run: Run | None = None
        self._made_with: dict[str, Any] = {  # what a closed panel that is displayed is made with again
            "follows_flow": follows_flow,
            "parameters": parameters,
            "options": options,
            "on_error": on_error,
            "make_coalescer": make_coalescer,
        }
        self._is_behind = False
        self.on_error = on_error
        self.selected: tuple[str, int | None] = ("", None)
        self._make_coalescer = make_coalescer
        self._changing = threading.RLock()  # around another run, or the end; whoever flushes never takes it
        self._copying = threading.Lock()
        self._changes: Throttle | None = None
        self._ended: Run | None = None  # the run shown, once its end has been told
        self._unlisten: Callable[[], None] = lambda: None
        self._copies = StaticCopies()
        self._body = Body()
        self._head = Head(body=f"anywidget:{self._body.model_id}")
        self.graph_view = GraphView(
            self._body, guarded=self.guarded, on_problem=self._tell_problem, on_drawn=self._note_change
        )
        self.plans = RerunDialog(self)
        self.form = Form(self, parameters or {}, (options or {}).get("executor"))
        self.commands = Commands(self, options or {})
        self.buttons, self.holds = self.commands.bar.buttons, self.commands.bar.holds
        children = [self._head, self.commands.bar.box, self.form.box, self._body]
        super().__init__(children, layout=ipywidgets.Layout())
        self.add_class("nbflow-panel").add_class("nbflow-page")
        self.failures, self.breakpoints, self.inspector = FailureList(self), BreakpointChips(self), Inspector(self)
        self.timeline = Timeline(self)
        followers = (
            self.inspector,
            ChildrenTable(self),
            RunLog(self),
            self.failures,
            self.breakpoints,
            self.timeline,
            Folds(self),
            self.plans,
            EarlierRuns(self),
            Runs(self),
        )
        self.parts = (self.form, self.commands, *followers)
        self._handlers = {kind: part for part in self.parts for kind in part.handles}
        self._body.on_msg(lambda _, message, __: self.guarded(lambda: self._hear(message)))
        self.is_closed = False
        self.follow(run)
        # Through a weak reference: a panel that nobody shows any more is not kept alive by its flow.
        weak = weakref.ref(self)
        self._unfollow = flow._on_start(lambda _: _show_new_run(weak())) if follows_flow else lambda: None

    def follow(self, run: Run | None) -> None:
        """Show `run` from now on, whole, whether it is new, going or over; None shows the flow."""
        with self._changing:
            if self.is_closed:  # by another thread, meanwhile
                return
            self._leave()
            seen = 0 if run is None else len(run.events)
            self.graph_view.show(self.flow if run is None else run.graph, run)
            self.run = run
            if run is not None:
                self._listen(run, seen)
            for part in self.parts:
                self.guarded(partial(part.followed, run))
        take_at_once(self)  # what a part has made for this run as well
        if run is not None and run.is_finished:
            self._end(run)
            self.cell_ended()

    def follow_newest(self) -> None:
        """Show the run of the flow that was started last, whichever thread was the quickest to say so."""
        with self._changing:
            newest = self.flow.runs[-1] if self.flow.runs else None
            if newest is not self.run:
                self.follow(newest)

    @property
    def picture(self) -> Picture:
        """What is shown, as data."""
        return self.graph_view.picture

    def wait_drawn(self, timeout_s: float | None = None) -> bool:
        """Wait until the drawing is laid out and the copy for saved notebooks is as it should be; tell whether."""
        return self.graph_view.wait_drawn(timeout_s)

    def tell(self, kind: str, **fields: Any) -> None:
        """Send a message to the script; from any thread."""
        self._body.send({"kind": kind, **fields})

    def _note_change(self) -> None:
        self._is_behind = True

    def _tell_problem(self, text: str) -> None:
        self.tell("problem", text=text)

    # Its life

    def close(self) -> None:
        """Let go of the run and of the browser; the run itself goes on. Twice is harmless.

        What stays in the notebook is a picture of how it looks now. To display a closed panel makes it again.
        """
        if self.is_closed:
            return
        self.is_closed = True
        self._unfollow()
        with self._changing:
            self._made_with["run"] = self.run
            self._leave()
        for part in self.parts:
            self.guarded(part.close)
        display_tracker.forget(self)
        self.graph_view.close()
        self._update_copies()
        close_all(self)
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets has put None there: displayed as mere text

    def leave_cell(self, cell: str) -> None:
        """Forget what a cell showed that is executed again."""
        self._copies.forget(cell)

    def cell_ended(self) -> None:
        """Mark what has become stale, edited, pinned or a breakpoint by a cell, or by an action here."""
        if not self.is_closed:
            self.guarded(lambda: self.graph_view.look_for_changes(self.flow, self.run))
            self.guarded(self.breakpoints.tell)
            self.guarded(self.inspector.look_again)

    def catch_up(self, *, whole: bool) -> None:
        """Show the latest in the cells' outputs, from this thread; `whole` also sends all the widgets' states."""
        changes = self._changes
        if changes is not None:
            changes.flush_now()
        if not self._is_behind:
            return
        self._is_behind = False
        self.wait_drawn(_DRAWING_S)
        self._update_copies()
        if whole:
            for widget in all_widgets(self):
                widget.send_state()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if is_terminal():
            return {"text/plain": terminal_text(self.flow, self.run)}
        if self.is_closed:
            self._open_again()
        is_drawn = self.wait_drawn(_DRAWING_S)
        self._copies.show(self.flow, *self.graph_view.latest, display_tracker.show(self))
        if not is_drawn:
            self.graph_view.later(self._update_copies)
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is not None:  # what is left of the widget in a saved notebook; the copy stands above it
            shown["text/plain"] = f"live panel of {one_line(self.flow.name)}: execute the cell to use it"
        return shown

    def _open_again(self) -> None:
        """Make all widgets again under this object, as they were asked for; shown is the newest run."""
        made_with, flow = dict(self._made_with), self.flow
        run = made_with.pop("run", None)
        if made_with["follows_flow"] and flow.runs:
            run = flow.runs[-1]
        Panel.__init__(self, flow, run, **made_with)

    # Commands

    def _hear(self, message: Any) -> None:
        if not isinstance(message, dict):
            return
        if message.get("kind") == "hello":
            is_beside = threading.current_thread() is not threading.main_thread()
            self._head.beside = is_beside or subshell.is_possible()
            self.graph_view.retell()
            self.failures.retell()
            self.breakpoints.retell()
            self.timeline.ask_again()
        if message.get("kind") == "select":
            key, index = message.get("key"), message.get("index")
            self.selected = (key if isinstance(key, str) else "", index if type(index) is int else None)
        self._take_edits(message.get("fields"))
        part = self._handlers.get(message.get("kind", ""))
        if part is not None:
            self.clear_error()
            part.handle(message)

    def _take_edits(self, states: object) -> None:
        """Take what was edited in fields before something was asked for: their own messages may come later."""
        if not isinstance(states, dict):
            return
        inputs = [*self.commands.bar.inputs, *self.form.inputs]
        for widget in inputs:
            state = states.get(widget.model_id)
            if isinstance(state, dict):
                widget.set_state({name: state[name] for name in ("value", "index") if name in state})

    def show(self, run: Run) -> None:
        """Show a run that was started here."""
        if run is not self.run:  # a panel of the flow was told already
            self.follow(run)

    def selection(self) -> tuple[Task | None, int | None]:
        """Return the selected task, None if there is none or a block or a group is selected, and which child of it."""
        key, index = self.selected
        return self.picture.task(key), index

    def clear_error(self) -> None:
        """Take the last error away: something else was asked for."""
        self._head.error = ""

    def guarded(self, call: Callable[[], object]) -> None:
        """Call, and show an error in the panel: the widget library would swallow it."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see it
            self._head.error = one_line(words_of(error, 500), 500)
            if self.on_error is not None:
                self.on_error(error)

    # The run's side

    def _listen(self, run: Run, seen: int) -> None:
        """Tell of the run from its event number `seen` on."""
        weak = weakref.ref(self)  # the run keeps no panel alive
        changes: Throttle = self._make_coalescer(lambda keys: _tell(weak(), run, changes, keys))
        listener = _listener(changes)
        self._changes, self._unlisten = changes, run._record.log.listen(listener)
        # What happened while the snapshot was made may be in it or not: told again, it is.
        for event in run.events[seen:]:
            listener(event)
        if run.state.is_finished() and not run.is_finished:
            changes.mark(RUN)  # between its last event and its end there is no other

    def tell_changes(self, run: Run, changes: Throttle, keys: tuple[object, ...]) -> None:
        """Tell what has changed; called on the coalescer's thread, with what it has collected."""
        if run is not self.run:
            return  # it has been left for another one
        over = run.is_finished
        self._note_change()
        named = tuple(dict.fromkeys([key[0] if type(key) is tuple else key for key in keys]))
        # The buttons first: once it shows that the run is paused, or has ended, they do what they should then.
        for part in self.parts:
            self.guarded(partial(part.changed, run, named))
        self.guarded(lambda: self.graph_view.patch(run, keys))
        if over:
            self._end(run)
        elif run.state.is_finished():
            changes.mark(RUN)  # its last event is a moment older than its end: look again

    def _end(self, run: Run) -> None:
        """Show the end of a run, whole, and listen no more, unless a cleanup may be tried again."""
        if not run.cleanup_failures:
            self._unlisten()
        if self._ended is not run:
            self._ended = run
            for part in self.parts:
                self.guarded(partial(part.ended, run))
        self.graph_view.later(self._update_copies)

    def _update_copies(self) -> None:
        with self._copying:  # what is read later is written later
            self._copies.update(self.flow, *self.graph_view.latest)

    def _leave(self) -> None:
        self._unlisten()
        self._unlisten = lambda: None
        self.run = self._ended = None
        if self._changes is not None:
            self._changes.close()
            self._changes = None


def _show_new_run(panel: Panel | None) -> None:
    if panel is not None:
        panel.guarded(panel.follow_newest)


def _tell(panel: Panel | None, run: Run, changes: Throttle, keys: tuple[object, ...]) -> None:
    if panel is not None:
        panel.guarded(lambda: panel.tell_changes(run, changes, keys))


def _listener(changes: Throttle) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if event.map_index is None or event.task is None:
            changes.mark(event.task or event.block or RUN)
        else:
            changes.mark((event.task, event.map_index))

    return listen
