"""The subcommands of `%flow` that forget a flow, and that take back what was done last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.engine.refusal import why_not_undone
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.shell.forgotten_flow import FORGOTTEN
from nbflow.notebook.shell.lookup import unfinished_run
from nbflow.registry import flows

if TYPE_CHECKING:
    from nbflow.flow import Flow
    from nbflow.notebook.magics.magic_command import Call


@command("reset")
def reset(call: Call) -> None:
    """Forget the flow, so that its cells build it again; `%flow undo` brings the one forgotten last back."""
    going = unfinished_run(call.flow)
    if going is not None:
        raise UsageError(
            f"{call.magic}: run {going.number} of {call.flow.name!r} is going; %flow cancel {call.flow.name} first"
        )
    name = call.flow.name
    FORGOTTEN.forget(call.flow)
    say(f"{name} is forgotten; execute its %%flow cells to build it again, or %flow undo {name} brings it back")


@command("undo", "[NAME]", of_flow=False)
def undo(call: Call) -> None:
    """Take back the last skip, set or reset: a task is as before, or the flow with its cells and runs is back.

    A skip or set can be undone until its run goes on.
    """
    name = call.word()
    paused = [run for run in map(unfinished_run, _flows(name)) if run is not None and run.is_paused]
    undoable = [run for run in paused if not why_not_undone(run)]
    if len(undoable) > 1:
        which = ", ".join(repr(run.graph.name) for run in undoable)
        raise UsageError(f"{call.magic}: of which flow? {which}; add its name")
    if undoable:
        run = undoable[0]
        task = run.undo()
        state = type(run.states[task]).__name__
        say(f"{task.name} is {state} again in run {run.number}, as before; %flow resume {run.graph.name} goes on")
        return
    if not FORGOTTEN.has(name) and paused and (name is not None or len(flows) == 1):
        raise UsageError(
            f"{call.magic}: run {paused[0].number} of {paused[0].graph.name!r}: {why_not_undone(paused[0])}"
        )
    flow = FORGOTTEN.bring_back(name, call.magic)
    runs = len(flow.runs)
    say(f"{flow.name} is back, as before %flow reset: {len(flow.tasks)} tasks, {runs} run{'s' * (runs != 1)}")


COMMANDS = (reset, undo)


def _flows(name: str | None) -> list[Flow]:
    return [flows[one] for one in flows if name in (None, one)]
