"""`%flow resume` where no run is paused: it goes on from a run that the flow's store has kept, as a new run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from nbflow.errors import StaleStoreError
from nbflow.flow.storage import needed_store, newest_stored_run
from nbflow.notebook.magics.magic_command import say
from nbflow.notebook.shell.find_run import find_stored_run

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.notebook.magics.magic_command import Call
    from nbflow.store import StoredRun

WORDS = ("stale", "failed", "all")


def refuse_for_paused(call: Call, going: Run) -> None:
    """Refuse options that are for a stored run, where a run is going that is meant otherwise.

    Raises:
        UsageError: If one was given.
    """
    options = call.options
    given = {"--run": options.run, "--what": options.what, "--dry": options.dry, "-p": options.parameters}
    given |= {"--executor": options.executor, "--store": options.store}
    flag = next((flag for flag, value in given.items() if value), None)
    if flag is not None:
        name = call.flow.name
        raise UsageError(
            f"{call.magic}: {flag} is for going on from a stored run, but run {going.number} of {name!r} is not over; "
            f"leave it out to let that run go on, or %flow cancel {name} first"
        )


def resume_from_store(call: Call) -> None:
    """Go on from the stored run that the line names, or the newest, and say what is done.

    Raises:
        UsageError: If there is none, or something has changed and the line does not say what is to run.
    """
    flow, options = call.flow, call.options
    what = options.what
    if what is not None and what not in WORDS:
        raise UsageError(f"{call.magic}: --what {what!r} is none of {', '.join(WORDS)}")
    call.take_store()
    if flow.store is None:
        over = f"run {flow.runs[-1].number} is over" if flow.runs else "it has not run yet"
        raise UsageError(
            f"{call.magic}: no run of flow {flow.name!r} is paused ({over}), and it has no store: add --store DIR, "
            f"the folder that keeps its runs; %flow start {flow.name} begins one"
        )
    stored = newest_stored_run(flow) if options.run is None else find_stored_run(flow, options.run, call.magic)
    given: dict[str, Any] = call.start_options()
    if options.dry:
        display(_stored(call, stored, what, dry=True, **given))
        return
    here = next((run for run in flow.runs if run.id == stored.id), None)
    if here is not None and what is None and not given["parameters"] and here.state.is_successful():
        say(
            f"nothing is left to resume: run {here.number} of {flow.name} ended well; "
            f"%flow rerun {flow.name} runs again"
        )
        return

    def words(begun: Run) -> str:
        kernel = "" if here is not None else " of an earlier kernel"
        plan = "" if begun.plan is None else begun.plan.headline().rpartition(": ")[2]
        seen = f"%flow panel {flow.name} shows it live, %flow wait {flow.name} waits for its end"
        return f"run {begun.number} of {flow.name} has started from run {stored.number}{kernel}: {plan}. {seen}"

    with call.announcing(words):
        _stored(call, stored, what, **given)


def _stored(call: Call, stored: StoredRun, what: str | None, **given: Any) -> Any:
    needed_store(call.flow).wait_until_written()  # of a run that has just ended
    try:
        return stored.resume(what, **given)
    except StaleStoreError as error:
        listed = str(error).partition(". Say what is to run")[0]
        raise UsageError(
            f"{call.magic}: {listed}. Say what is to run: --what stale (what has changed, and all that did not end "
            "well), --what failed (only what did not end well; results of changed code as they are), or --what all; "
            "with --dry only the plan is shown"
        ) from error
