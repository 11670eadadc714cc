"""The subcommands of `%flow` about running again: what would be done, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from nbflow.engine.given_parameters import GivenParameters
from nbflow.notebook.magics.magic_arguments import DRY, EXECUTOR, HOLD, LABEL, NOTIFY, PARAMETERS, PAUSED, parameters
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.shell.lookup import find_task, newest_run
from nbflow.render.names import bytes_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.notebook.magics.magic_command import Call

WORDS = ("all", "failed", "stale")


@command("plan", "[TASK|all|failed|stale]", options=(PARAMETERS,))
def plan(call: Call) -> None:
    """Show what a rerun would do: which tasks run and why, which values are taken over, which blocks open."""
    given = GivenParameters(parameters(call.options.parameters, call.magic))
    display(call.flow.plan(_asked_for(call), parameters=given))


@command("rerun", "[TASK|all|failed|stale]", options=(DRY, PARAMETERS, EXECUTOR, PAUSED, HOLD, *LABEL, NOTIFY))
def rerun(call: Call) -> None:
    """Run again what failed, what is stale, a task or all, with what follows from it, in the background."""
    name = call.flow.name
    run = call.newest_run(f"; %flow start {name} begins a run")
    given: dict[str, Any] = call.start_options()
    what = _asked_for(call)
    if call.options.dry:
        display(run.rerun(what, dry=True, **given))
        return

    with call.notifying(), call.announcing(_begun):
        run.rerun(what, hold_on_failure=call.options.hold, paused=call.options.paused, **given)


@command("forget")
def forget(call: Call) -> None:
    """Give back the memory that the values of the flow's runs take; states, times and logs stay."""
    over = [run for run in call.flow.runs if run.is_finished and not run._execution.is_released]
    freed = sum(run._loop.retention.held_bytes() for run in over)
    for run in over:
        run.forget()
    count = f"{len(over)} run" + "s" * (len(over) != 1)
    say(f"{call.flow.name}: {count} gave back about {bytes_in_words(freed)}; a rerun runs what it needs again")


def go_on_with(call: Call, results: Mapping[Task, Any]) -> None:
    """Go on from the newest run, of this kernel or the store, with values in place of those of tasks.

    Raises:
        UsageError: If there is none.
    """
    flow, run = call.flow, newest_run(call.flow)
    if run is None and flow.store is None:
        raise UsageError(
            f"{call.magic}: flow {flow.name!r} has not run yet, so there is nothing to go on from; "
            f"%flow start {flow.name} --paused begins a run whose tasks can be set"
        )
    go_on = flow.resume_stored if run is None else run.rerun
    if call.options.dry:
        display(go_on(results=results, dry=True))
        return
    with call.announcing(_begun):
        go_on(results=results)


def _begun(run: Run) -> str:
    headline = run.plan.headline() if run.plan is not None else ""
    said = f"run {run.number} of {run.graph.name} has started. {headline[:1].upper()}{headline[1:]}"
    return f"{said}. %flow panel {run.graph.name} shows it live"


def _asked_for(call: Call) -> Any:
    text = "all" if call.task_text is None else call.task_text
    if text in WORDS:
        return text
    return [find_task(call.flow.name, call.flow.slugs, text, call.namespace, call.magic)]


COMMANDS = (plan, rerun, forget)
