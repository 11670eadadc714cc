"""The panel: buttons that command runs of one flow, and a live view of the newest of them.

All that a callback does is put a command on a run, so it does not matter on which thread the front end's messages
arrive, or how busy the kernel is.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.panel.coalesce import Coalescer
from nbflow.panel.controls import CONTROLS, enabled
from nbflow.panel.folds import Folds
from nbflow.panel.inspector import Inspector
from nbflow.panel.picture import Picture
from nbflow.panel.plans import Plans
from nbflow.panel.runs import Runs
from nbflow.panel.static_copy import StaticCopies
from nbflow.panel.view import Body, Head, drawing_json
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.events import Event
    from nbflow.engine.handle import Run
    from nbflow.flow import Flow

_RUN = "run"  # the key of a change that belongs to no task and no block


class Panel(ipywidgets.VBox):
    """A live view of a flow and its newest run, with buttons.

    Args:
        flow: The flow that Run and Step start.
        run: The run to show; None shows the flow before its first run.
        follows_flow: Whether runs of the flow that are started elsewhere are shown as well.
        parameters: The parameters of the runs started here.
        options: More keyword arguments of `flow.start`, such as `executor`.
        on_error: Called with whatever a callback raised, after the panel has shown it; for tests.
        make_coalescer: Makes what limits the messages to the browser; for tests.
    """

    def __init__(
        self,
        flow: Flow,
        run: Run | None = None,
        *,
        follows_flow: bool = True,
        parameters: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        make_coalescer: Callable[..., Coalescer] = Coalescer,
    ) -> None:
        self.flow = flow
        self.run: Run | None = None
        self.on_error = on_error
        self._parameters = dict(parameters or {})
        self._options = dict(options or {})
        self._make_coalescer = make_coalescer
        self._changing = threading.Lock()
        self._changes: Coalescer | None = None
        self._unlisten: Callable[[], None] = lambda: None
        self._copies = StaticCopies()
        self._body = Body()
        self._head = Head(body=f"anywidget:{self._body.model_id}")
        self.buttons = {control.command: self._button(control) for control in CONTROLS}
        self.holds = self._toggle()
        bar = ipywidgets.HBox([*self.buttons.values(), self.holds])
        bar.add_class("nbflow-controls")
        super().__init__([self._head, bar, self._body])
        self.add_class("nbflow-panel")
        self.add_class("nbflow-page")
        self.parts = (Inspector(self), Folds(self), Plans(self), Runs(self))
        self._hearers = {kind: part for part in self.parts for kind in part.hears}
        self._body.on_msg(lambda _, message, __: self._guarded(lambda: self._hear(message)))
        self.follow(run)
        # Through a weak reference: a panel that nobody shows any more is not kept alive by its flow.
        weak = weakref.ref(self)
        self._unfollow = (
            flow.on_start(lambda new: _show_new_run(weak(), new)) if follows_flow else lambda: None
        )

    def follow(self, run: Run | None) -> None:
        """Show `run` from now on, whole, whether it is new, going or over; None shows the flow."""
        with self._changing:
            self._leave()
            graph = self.flow if run is None else run.graph
            self.picture = Picture(graph)
            drawn = drawing_json(self.picture, graph, f"nbflow-{self._body.model_id[:8]}")
            seen = 0 if run is None else len(run.events)
            self._body.show(self.picture.names(), drawn, self.picture.snapshot(run))
            self.run = run
            if run is not None:
                changes: Coalescer = self._make_coalescer(lambda keys: self._flush(run, changes, keys))
                self._changes = changes
                listener = _listener(changes)
                self._unlisten = run.listen(listener)
                # What happened while the snapshot was made may be in it or not: told again, it is.
                for event in run.events[seen:]:
                    listener(event)
                self.holds.value = self.holds.value if run.is_finished else run.hold_on_failure
            self._set_buttons()
            for part in self.parts:
                part.followed(run)
        if run is not None and run.is_finished:
            self._end(run)

    def tell(self, kind: str, **fields: Any) -> None:
        """Send a message to the script; from any thread."""
        self._body.send({"kind": kind, **fields})

    def close(self) -> None:
        """Let go of the run and of the browser; the run itself goes on."""
        self._unfollow()
        with self._changing:
            self._leave()
        for part in self.parts:
            part.close()
        for widget in (*self.buttons.values(), self.holds, self.children[1], self._head, self._body):
            widget.close()
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._copies.show(self.flow, self.run)
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is not None:  # what is left of the widget in a saved notebook; the copy stands above it
            shown["text/plain"] = f"live panel of {one_line(self.flow.name)}: execute the cell to use it"
        return shown

    # Commands

    def _hear(self, message: Any) -> None:
        part = self._hearers.get(message.get("kind", "")) if isinstance(message, dict) else None
        if part is not None:
            self._head.error = ""
            part.hear(message)

    def _button(self, control: Any) -> Any:
        button = ipywidgets.Button(
            description=control.label,
            icon=control.icon,
            tooltip=control.hint,
            button_style=control.style,
            layout=ipywidgets.Layout(width="auto"),
        )
        button.add_class("nbflow-button")
        button.on_click(lambda _: self._guarded(lambda: self._command(control.command)))
        return button

    def _toggle(self) -> Any:
        toggle = ipywidgets.ToggleButton(
            value=bool(self._options.pop("hold_on_failure", False)),
            description="Hold on failure",
            icon="hand-paper-o",
            tooltip="Stand still where a task fails, with the resources open",
            layout=ipywidgets.Layout(width="auto"),
        )
        toggle.add_class("nbflow-button")
        toggle.observe(lambda _: self._guarded(self._set_hold), "value")
        return toggle

    def _set_hold(self) -> None:
        if self.run is not None and not self.run.is_finished:
            self.run.hold_on_failure = self.holds.value

    def _command(self, command: str) -> None:
        self._head.error = ""
        run = self.run
        if command == "run":
            self._show(self._start(paused=False))
        elif command == "rerun" and run is not None:
            self._show(run.rerun())
        elif command == "step":
            if run is None or run.is_finished:
                run = self._start(paused=True)
                self._show(run)
            run.step_nowait()
        elif command in ("retry", "skip") and run is not None and run.held:
            task = run.held[0]
            if command == "retry":
                run.retry(task, wait=False)
            else:
                run.skip(task)
        elif run is not None:
            {"resume": run.resume, "pause": run.pause, "cancel": run.cancel}[command]()

    def _show(self, run: Run) -> None:
        if run is not self.run:  # a panel of the flow was told already
            self.follow(run)

    def _start(self, *, paused: bool) -> Run:
        hold = self.holds.value
        return self.flow.start(self._parameters, paused=paused, hold_on_failure=hold, **self._options)

    def _guarded(self, call: Callable[[], object]) -> None:
        """Call, and show an error in the panel: the widget library would swallow it."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the user must see it
            self._head.error = one_line(f"{type(error).__name__}: {error}", 500)
            if self.on_error is not None:
                self.on_error(error)

    # The run's side

    def _flush(self, run: Run, changes: Coalescer, keys: tuple[object, ...]) -> None:
        # After the run has been left for another one, a late flush has nothing to say.
        if run is self.run:
            self._guarded(lambda: self._tell(run, changes, keys))

    def _tell(self, run: Run, changes: Coalescer, keys: tuple[object, ...]) -> None:
        over = run.is_finished
        self._body.patch(self.picture.patch(run, keys))
        self._set_buttons()
        for part in self.parts:
            part.changed(run, keys)
        if over:
            self._end(run)
        elif run.state.is_finished():
            changes.mark(_RUN)  # its last event is a moment older than its end: look again

    def _end(self, run: Run) -> None:
        """Show the end of a run, whole, and keep nothing that belongs to it alive."""
        self._unlisten()
        for part in self.parts:
            part.ended(run)
        self._copies.update(self.flow, run)

    def _leave(self) -> None:
        self._unlisten()
        self._unlisten = lambda: None
        self.run = None
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _set_buttons(self) -> None:
        for command, possible in enabled(self.run).items():
            button = self.buttons[command]
            if button.disabled is possible:
                button.disabled = not possible


def _show_new_run(panel: Panel | None, run: Run) -> None:
    if panel is not None:
        panel.follow(run)


def _listener(changes: Coalescer) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        changes.mark(event.task or event.block or _RUN)

    return listen
