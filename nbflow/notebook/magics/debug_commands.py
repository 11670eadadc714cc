"""The subcommands of `%flow` for a run that is paused: look at a task, fix it, go on."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from IPython.core.debugger import Pdb
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from nbflow.engine.breakpoint_list import words_of
from nbflow.engine.breakpoints import argument_names
from nbflow.engine.refusal import refusal
from nbflow.flow.flow_breakpoints import argument_names_of, breakpoints_for
from nbflow.notebook.cells.lent_values import give_back, lend
from nbflow.notebook.magics.magic_arguments import DRY, NO_RAISE, Option
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.magics.rerun_commands import go_on_with
from nbflow.notebook.shell.cell_failure import raise_failure
from nbflow.notebook.shell.live_view import LiveView
from nbflow.notebook.shell.lookup import find_task, going_run, unfinished_run
from nbflow.render.focus import StepPicture

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.notebook.magics.magic_command import Call

WHEN = Option(("--when",), "only if this is true of the task's arguments", "EXPR")
AFTER = Option(("--after",), "pause after the task")
CLEAR = Option(("--clear",), "forget the breakpoints at the task")
CLEAR_ALL = Option(("--clear-all",), "forget all breakpoints of the flow")


@command("wait", options=(NO_RAISE,))
def wait(call: Call) -> None:
    """Wait until the run is paused or over, and draw it; the cell fails if the run has failed."""
    run = call.newest_run(f"; %flow start {call.flow.name} begins")
    with LiveView(call.flow, run):
        run.wait(or_held=True)
    if run.is_finished and not call.options.no_raise:
        raise_failure(run)


@command("retry", "[TASK]", goes_on=True)
def retry(call: Call) -> None:
    """Run the held task again, with the newest definition of its function, and draw the run."""
    run = going_run(call.flow, call.magic)
    task = _task_or_held(call, run)
    picture = StepPicture(run)
    with LiveView(call.flow, run, picture=picture):
        run.retry(task)


@command("skip", "[TASK]")
def skip(call: Call) -> None:
    """Leave a task out, or go on from a failed one as if it had been left out."""
    run = going_run(call.flow, call.magic)
    task = _task_or_held(call, run)
    run.skip(task)
    say(f"{task.name} is skipped in run {run.number}; %flow resume {call.flow.name} goes on")


@command("set", "TASK", "VALUE", options=(DRY,))
def set_value(call: Call) -> None:
    """Give a task a value in place of its own: a name of the notebook, or a literal.

    Of a run that is over, or of the newest that the flow's store has kept, a new run begins in the background that goes
    on with the value: what takes it runs, the rest is taken over.
    """
    name = call.flow.name
    text = call.words[-1] if len(call.words) > 1 or (call.words and call.options.task) else None
    if text is None:
        raise UsageError(f"{call.magic}: which value? write %flow set {name} TASK VALUE, a name or a literal")
    run = unfinished_run(call.flow)
    if run is None:
        go_on_with(call, {call.task(): _value(text, call)})
        return
    if call.options.dry:
        raise UsageError(f"{call.magic}: --dry is for a run that is over, and run {run.number} is not; leave it out")
    task = call.task()
    run.set_result(task, _value(text, call))
    say(f"{task.name} is {text} in run {run.number} (edited); %flow resume {name} goes on")


@command("break", "[TASK]", options=(WHEN, AFTER, CLEAR, CLEAR_ALL))
def break_at(call: Call) -> None:
    """Pause before a task, or after it, in the run that is going and in those to come; until it is cleared."""
    flow, going = call.flow, unfinished_run(call.flow)
    if call.options.clear_all:
        if call.task_text:
            raise UsageError(f"{call.magic}: --clear-all forgets all of them; leave out the task, or write --clear")
        forgotten = _listed(flow)
        flow.breakpoints.clear()
        if going is not None:
            going.breakpoints.clear()
        say(f"{flow.name} pauses nowhere any more" if forgotten else f"{flow.name} had no breakpoints")
        return
    task = call.task()
    known, there = breakpoints_for(flow, going, task)
    if call.options.clear:
        known.clear(there)
        say(f"{flow.name} does not pause at {task.name} any more")
        return
    arguments = argument_names_of(flow, task) if going is None else argument_names(going.graph, task)
    when = None if call.options.when is None else _condition(call.options.when, task, arguments, call)
    known.add(there, when, after=call.options.after)
    place = words_of(known[there][-1], task.name)
    goes_on = f"%flow run {flow.name} goes there"
    if going is not None:
        goes_on = f"%flow resume {flow.name} lets run {going.number} go on to there"
    say(f"{flow.name} pauses {place}; {goes_on}")


@command("breaks")
def breaks(call: Call) -> None:
    """List the breakpoints: where the run that is going pauses, and those to come."""
    found = _listed(call.flow)
    say("\n".join(found) or f"{call.flow.name} has no breakpoints; %flow break {call.flow.name} TASK sets one")


@command("debug", "[TASK]")
def debug(call: Call) -> None:
    """Open the debugger where a task failed; in a held run its resources are open."""
    run = call.newest_run(", so nothing has failed")
    failed = [task for task in run.states if not refusal(run, "debug", task)]
    if call.task_text or not failed:
        run.debug(call.task() if failed else _task_or_held(call, run))
    else:
        run.debug(failed[0])


@command("values", "[TASK]")
def values(call: Call) -> None:
    """Lend what a task is given to the notebook, under the names of its arguments, until a flow needs the names."""
    run = call.newest_run("; there are no values")
    task = _task_or_held(call, run)
    found = run.inputs(task)
    lend(call.namespace, found)  # type: ignore[arg-type]

    def take_back(_: Run) -> None:
        give_back(call.namespace, only_values=True)  # type: ignore[arg-type]
        silence()

    silence = call.flow._on_start(take_back)
    listed = ", ".join(found) or "nothing: it takes no arguments"
    say(f"what {task.name} takes in run {run.number}: {listed}")


COMMANDS = (wait, retry, skip, set_value, break_at, breaks, debug, values)


def _listed(flow: Flow) -> list[str]:
    """Return a line for each breakpoint, those of the going run alone with its number."""
    lines: list[str] = flow.breakpoints.lines()
    run = unfinished_run(flow)
    if run is None:
        return lines
    own = [line for line in run.breakpoints.lines() if line not in lines]
    return lines + [f"{line} (run {run.number} only)" for line in own]


def _task_or_held(call: Call, run: Run) -> Task:
    """Return the task that the line names, else the one at which the run is paused."""
    if call.task_text:
        return find_task(call.flow.name, run.graph.slugs, call.task_text, call.namespace, call.magic)
    held = run.held or [task for task in (run.next_task,) if task is not None]
    if len(held) == 1:
        return held[0]
    which = ", ".join(repr(task.name) for task in held) or "it is paused at none"
    raise UsageError(f"{call.magic}: which task of run {run.number}? {which}; add its name")


def _value(text: str, call: Call) -> Any:
    if text in call.namespace:
        return call.namespace[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise UsageError(
            f"{call.magic}: {text!r} is neither a name of this notebook nor a literal; assign the value to a name first"
        ) from None


def _condition(text: str, task: Task, arguments: set[str], call: Call) -> Callable[..., object]:
    """Make a condition of an expression over the task's arguments and the notebook's names."""
    try:
        code = compile(text, "<breakpoint>", "eval")
    except SyntaxError as error:
        raise UsageError(f"{call.magic}: --when {text!r} is no expression: {error.msg}") from None
    unknown = [name for name in code.co_names if name not in arguments and name not in call.namespace]
    unknown = [name for name in unknown if not hasattr(builtins, name) and f".{name}" not in text]
    if unknown:
        taken = ", ".join(sorted(arguments)) or "nothing"
        raise UsageError(f"{call.magic}: --when asks for {unknown[0]!r}; {task.name} takes {taken}")
    names = call.namespace

    def condition(**inputs: Any) -> object:
        return eval(code, dict(names), inputs)  # code that the user typed on the line

    condition.text = text.strip()  # type: ignore[attr-defined]  # what the list of breakpoints shows
    return condition


def post_mortem(traceback: TracebackType) -> None:
    """Open the shell's own debugger at the end of a traceback."""
    shell = get_ipython()
    debugger = Pdb if shell is None else shell.debugger_cls
    debugger().interaction(None, traceback)
