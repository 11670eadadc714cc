"""What `%flow` can do, one function for each subcommand: read, call one library function, display."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import display

from nbflow.engine.given_parameters import GivenParameters
from nbflow.notebook import cellcommands, mending, reruns
from nbflow.notebook.exportcommand import export_flow
from nbflow.notebook.failures import raise_failure
from nbflow.notebook.lookup import find_task, going_run, newest_run, unfinished_run
from nbflow.notebook.options import parameters
from nbflow.notebook.shown import follower_of
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.handle import Run
    from nbflow.flow import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of the magic: the flow, the options as given, and the user's names."""

    flow: Flow
    options: Any
    namespace: Mapping[str, object]
    magic: str

    def start_options(self) -> dict[str, Any]:
        """Return the keyword arguments of `flow.run` and `flow.start`."""
        values = GivenParameters(parameters(self.options.parameters, self.magic))
        given: dict[str, Any] = {"parameters": values}
        if self.options.executor is not None:
            given["executor"] = self.options.executor
        return given

    def task(self) -> Task:
        """Return the task that `--task`, or the word after the name, names."""
        text = self.options.task or self.options.target
        if text is None:
            raise UsageError(f"{self.magic}: which task? add --task NAME")
        run = unfinished_run(self.flow)  # a new one would be of the flow as it is now
        slugs = self.flow.slugs if run is None else run.graph.slugs
        return find_task(self.flow.name, slugs, text, self.namespace, self.magic)


def run(call: Call) -> None:
    """Run the flow and draw how it ended; the cell takes as long as the run, and fails if the run has failed."""
    _refuse_second_run(call)
    before = newest_run(call.flow)
    follower = follower_of(get_ipython())
    try:
        with nullcontext() if follower is None else follower.in_task_order(call.flow):
            call.flow.run(**call.start_options())
    finally:
        # Also after the stop button: the picture says what was done and what was cleaned up.
        done = newest_run(call.flow)
        if done is not None and done is not before:
            display(done)
    if done is not None and not call.options.no_raise:
        raise_failure(done)


def start(call: Call) -> None:
    """Start a run in the background; the cell ends at once."""
    _refuse_second_run(call)

    def tell(begun: Run) -> None:
        say(f"run {begun.number} of {call.flow.name} has started; %flow panel {call.flow.name} shows it live")

    silence = call.flow.on_start(
        tell
    )  # before its first task can print: this text never falls into a line of theirs
    try:
        _begin(call, paused=call.options.paused, hold_on_failure=call.options.hold)
    finally:
        silence()


def step(call: Call) -> None:
    """Run one task and draw the run, which stands still again; begins a run if none is going."""
    going = unfinished_run(call.flow)
    if going is None:
        if not call.flow.tasks:
            raise UsageError(
                f"{call.magic}: flow {call.flow.name!r} has no tasks, so there is nothing to step"
            )
        going = _begin(call, paused=True)
    elif call.options.parameters:
        raise UsageError(
            f"{call.magic}: run {going.number} is going with its own parameters; "
            f"leave out -p, or %flow cancel {call.flow.name} first"
        )
    into = getattr(call.options, "into", False)
    _command(going, lambda: going.step(into=into))


def block(call: Call) -> None:
    """Run to the end of the current block and draw the run."""
    going = going_run(call.flow, call.magic)
    _command(going, going.step_block)


def until(call: Call) -> None:
    """Run up to and including a task and draw the run; begins a run if none is going."""
    task = call.task()
    going = unfinished_run(call.flow) or _begin(call, paused=True)
    _command(going, lambda: going.until(task))


def resume(call: Call) -> None:
    """Let the run go on in the background, or one paused task of it."""
    going = going_run(call.flow, call.magic)
    if call.options.task or call.options.target:
        going.resume(call.task())
    else:
        going.resume()
    say(f"run {going.number} of {call.flow.name} goes on")


def pause(call: Call) -> None:
    """Let the run stand still after the tasks that are running."""
    going = going_run(call.flow, call.magic)
    going.pause()
    say(
        f"run {going.number} of {call.flow.name} stands still after what is running now; its resources stay open"
    )


def cancel(call: Call) -> None:
    """Cancel the run, wait until it has cleaned up, and draw it."""
    going = going_run(call.flow, call.magic)
    going.cancel()
    going.wait()
    display(going)


def panel(call: Call) -> None:
    """Open the live panel."""
    from nbflow.panel import panel as make_panel

    options = call.start_options()
    display(make_panel(call.flow, options.pop("parameters"), **options))


def reset(call: Call) -> None:
    """Forget the flow, so that its cells build it anew."""
    going = unfinished_run(call.flow)
    if going is not None:
        raise UsageError(
            f"{call.magic}: run {going.number} of {call.flow.name!r} is going; %flow cancel {call.flow.name} first"
        )
    del flows[call.flow.name]
    say(f"{call.flow.name} is forgotten; execute its %%flow cells to build it anew")


COMMANDS: Mapping[str, Callable[[Call], None]] = {
    command.__name__: command
    for command in (cellcommands.show, run, start, step, block, until, resume, pause, cancel, panel, reset)
} | {"export": export_flow, **cellcommands.COMMANDS, **mending.COMMANDS, **reruns.COMMANDS}

GO_ON = ("step", "block", "until", "resume", "retry")
"""The commands after which a run that stands still goes on; others begin one."""


def list_flows() -> None:
    """Display all flows: tasks, runs, and how the newest run stands."""
    if not len(flows):
        say("no flows yet; make one with %%flow NAME")
        return
    rows = []
    for name in flows:
        flow = flows[name]
        last = newest_run(flow)
        state = "not run yet" if last is None else f"run {last.number}: {type(last.state).__name__}"
        rows.append((name, f"{len(flow.tasks)} tasks", state))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    say("\n".join(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}" for row in rows))


def _begin(call: Call, *, paused: bool, hold_on_failure: bool = False) -> Run:
    return call.flow.start(paused=paused, hold_on_failure=hold_on_failure, **call.start_options())


def _command(going: Run, command: Callable[[], object]) -> None:
    try:
        command()
    finally:
        display(going)


def _refuse_second_run(call: Call) -> None:
    going = unfinished_run(call.flow)
    if going is not None:
        name = call.flow.name
        raise UsageError(
            f"{call.magic}: run {going.number} of {name!r} is not over; %flow resume {name} lets it go on, "
            f"%flow cancel {name} ends it and cleans up"
        )


def say(text: str) -> None:
    """Display one text, as it is."""
    display({"text/plain": text}, raw=True)
