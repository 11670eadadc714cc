"""The commands of `%flow` about runs, one function each: read, call one library function, display."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import display

from nbflow.core.counted_tasks import said_tasks
from nbflow.notebook.magics.magic_arguments import (
    DRY,
    EXECUTOR,
    HOLD,
    LABEL,
    NO_RAISE,
    NOTIFY,
    PARAMETERS,
    PAUSED,
    RUN,
    STORE,
    WHAT,
    Option,
)
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.magics.stored_resume import refuse_for_paused, resume_from_store
from nbflow.notebook.shell.cell_display import follower_of
from nbflow.notebook.shell.cell_failure import raise_failure
from nbflow.notebook.shell.live_view import LiveView
from nbflow.notebook.shell.lookup import going_run, newest_run, unfinished_run
from nbflow.registry import flows
from nbflow.render.focus import StepPicture

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.run import Run
    from nbflow.notebook.magics.magic_command import Call

INTO = Option(("--into",), "stop at each child of a mapped task")


@command("run", options=(PARAMETERS, EXECUTOR, *LABEL, STORE, NO_RAISE, NOTIFY))
def run(call: Call) -> None:
    """Run the flow, show how far it is and draw how it ended; the cell fails if the run has failed.

    If the flow has breakpoints the tasks run in the background, and the cell ends where the run pauses.
    """
    _refuse_second_run(call)
    call.take_store()
    follower = follower_of(get_ipython())
    in_order = nullcontext() if follower is None else follower.in_task_order(call.flow)
    with LiveView(call.flow) as view, call.notifying(), in_order:
        if call.flow.breakpoints:
            call.flow.start(**call.start_options()).wait(or_held=True)
        else:
            call.flow.run(**call.start_options())
    if view.run is not None and view.run.is_finished and not call.options.no_raise:
        raise_failure(view.run)


@command("start", options=(PARAMETERS, EXECUTOR, PAUSED, HOLD, *LABEL, STORE, NOTIFY))
def start(call: Call) -> None:
    """Start a run in the background; the cell ends at once."""
    _refuse_second_run(call)

    name = call.flow.name
    live = f"%flow panel {name} shows it live"
    with call.notifying(), call.announcing(lambda run: f"run {run.number} of {name} has started; {live}"):
        _begin(call, paused=call.options.paused, hold_on_failure=call.options.hold)


@command("step", options=(PARAMETERS, EXECUTOR, INTO, *LABEL, STORE), goes_on=True)
def step(call: Call) -> None:
    """Run one task and draw the run, which is paused again; begins a run if none is going."""
    going = unfinished_run(call.flow)
    if going is None:
        if not call.flow.tasks:
            raise UsageError(f"{call.magic}: flow {call.flow.name!r} has no tasks, so there is nothing to step")
        going = _begin(call, paused=True)
    elif call.options.parameters:
        raise UsageError(
            f"{call.magic}: run {going.number} is going with its own parameters; "
            f"leave out -p, or %flow cancel {call.flow.name} first"
        )
    elif flag := call.flag_for_beginning():
        raise UsageError(
            f"{call.magic}: run {going.number} is going, and {flag} is for one that begins; leave it out "
            f"(%flow label {call.flow.name} says what a run is called), or %flow cancel {call.flow.name} first"
        )
    into = call.options.into
    _command(going, lambda: going.step(into=into))


@command("block", goes_on=True)
def block(call: Call) -> None:
    """Run to the end of the current block and draw the run."""
    going = going_run(call.flow, call.magic)
    _command(going, lambda: going.step(block=True))


@command("until", "TASK", options=(PARAMETERS, EXECUTOR), goes_on=True)
def until(call: Call) -> None:
    """Run up to and including a task and draw the run; begins a run if none is going."""
    task = call.task()
    going = unfinished_run(call.flow) or _begin(call, paused=True)
    _command(going, lambda: going.until(task))


@command("resume", "[TASK]", options=(STORE, RUN, WHAT, DRY, PARAMETERS, EXECUTOR), goes_on=True)
def resume(call: Call) -> None:
    """Let the run go on in the background, or one paused task of it; without one, go on from a stored run.

    A stored run is one that the flow's store has kept, of an earlier kernel perhaps. What ended well is taken over, the
    rest runs, as a new run.
    """
    if unfinished_run(call.flow) is None and call.task_text is None:
        resume_from_store(call)
        return
    going = going_run(call.flow, call.magic)
    refuse_for_paused(call, going)
    if call.task_text:
        going.resume(call.task())
    else:
        going.resume()
    say(f"run {going.number} of {call.flow.name} goes on")


@command("pause")
def pause(call: Call) -> None:
    """Pause the run after the tasks that are running; its resources stay open."""
    going = going_run(call.flow, call.magic)
    going.pause()
    say(f"run {going.number} of {call.flow.name} pauses after what is running now; its resources stay open")


@command("cancel")
def cancel(call: Call) -> None:
    """Cancel the run, wait until it has cleaned up, and draw it."""
    going = going_run(call.flow, call.magic)
    with LiveView(call.flow, going):
        going.cancel()
        going.wait()


@command("panel", options=(PARAMETERS, EXECUTOR))
def panel(call: Call) -> None:
    """Open the live panel."""
    from nbflow.panel import panel as make_panel

    options = call.start_options()
    display(make_panel(call.flow, options.pop("parameters"), **options))


@command("list", of_flow=False)
def list_flows(call: Call) -> None:
    """List the flows: tasks, runs, and how the newest run stands."""
    if not len(flows):
        say("no flows yet; make one with %%flow NAME")
        return
    rows = []
    for name in flows:
        flow = flows[name]
        last = newest_run(flow)
        state = "not run yet" if last is None else f"run {last.number}: {type(last.state).__name__}"
        rows.append((name, said_tasks(flow.tasks), state))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    say("\n".join(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}" for row in rows))


def _begin(call: Call, *, paused: bool, hold_on_failure: bool = False) -> Run:
    call.take_store()
    return call.flow.start(paused=paused, hold_on_failure=hold_on_failure, **call.start_options())


def _command(going: Run, tell: Callable[[], object]) -> None:
    picture = StepPicture(going)
    with LiveView(going.flow, going, picture=picture):
        tell()


def _refuse_second_run(call: Call) -> None:
    going = unfinished_run(call.flow)
    if going is not None:
        name = call.flow.name
        raise UsageError(
            f"{call.magic}: run {going.number} of {name!r} is not over; %flow resume {name} lets it go on, "
            f"%flow cancel {name} ends it and cleans up"
        )


COMMANDS = (run, start, step, block, until, resume, pause, cancel, panel, list_flows)
