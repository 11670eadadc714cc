"""Going on from the store does exactly what its plan says, wherever the kernel of the run before was killed."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbflow.store import FlowStore
from tests.properties.strategies import Built, budget
from tests.properties.test_guarantee import TIMEOUT_S, check, quiet
from tests.properties.test_plan import PLANS, check_plan, forget


def run_and_copy(built: Built, store: Path, killed_at: int) -> Path:
    """Run the flow with a store; return a copy of it as it was after so many events, as a killed kernel leaves it."""
    copy = store.with_name("copy")
    built.flow.store = store
    run = built.flow._prepare(None, {}, blocking=True)

    def look(event: Any) -> None:
        if event.seq == killed_at:
            built.flow._its_store().wait_until_written()
            shutil.copytree(store, copy)

    run.listen(look)
    with quiet():
        built.flow._tell_start(run)
        with suppress(KeyboardInterrupt, SystemExit):  # what tasks were told to raise
            run._work()
    assert run.is_finished
    return copy if copy.exists() else store


@budget(30)
@given(PLANS, st.data())
def test_a_run_that_goes_on_from_the_store_executes_exactly_its_plan(plan, data):
    built = Built(plan)
    for task in built.tasks.values():
        task.portable = data.draw(st.sampled_from((False, False, True)), label=f"{task.name} is portable")
    with tempfile.TemporaryDirectory() as folder:
        killed_at = data.draw(st.integers(0, 60), label="killed after event")
        store = run_and_copy(built, Path(folder) / "store", killed_at)
        built.flow.store, built.flow._flow_store = store, FlowStore(store, built.flow)
        places = [*built.tasks.values(), *built.blocks.values()]
        what = data.draw(st.sampled_from(("failed", "failed", "all", *([place] for place in places))), label="what")
        dry = built.flow.resume(what, dry=True)
        forget(built)

        with quiet():
            following = built.flow.resume(what, executor="inline")
            following.wait(TIMEOUT_S)

        assert following.is_finished
        assert following.plan.tasks == dry.tasks
        check(following, built.world)
        check_plan(built, dry, following)
        again = built.flow.resume("failed", dry=True)
        well = {task for task, state in following.states.items() if state.is_successful()}
        assert not {step.task for step in again.steps if step.why == "has no result yet"} & well
