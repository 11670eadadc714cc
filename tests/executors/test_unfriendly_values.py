"""Values that cannot be pickled, or whose methods raise or lie, on their way to another process and back.

They arrive, or their task fails with an error that names it; the run ends, and the tasks beside them are not harmed.
"""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import CannotReturnError, CannotTravelError, UnreadableCallError, WorkerDiedError
from nbflow.states import Success, TriggerFailed
from tests.engine.unfriendly import VALUES
from tests.patience import PATIENCE_S

WORDS = (CannotReturnError, CannotTravelError, UnreadableCallError, WorkerDiedError)
IN_A_RUN = 12
RUNS = [[*VALUES.items()][start : start + IN_A_RUN] for start in range(0, len(VALUES), IN_A_RUN)]


@pytest.mark.elsewhere
@pytest.mark.parametrize("values", RUNS, ids=[f"{one[0][0]} and more" for one in RUNS])
def test_values_travel_or_their_tasks_fail_with_words(values):
    takers = []
    with Flow("f") as flow:
        beside = task(lambda x: x + 1, name="beside").map([1, 2])
        for name, make in values:
            made = task(lambda make=make: make(), name=f"makes {name}")()
            takers += [made, task(lambda x: 1, name=f"takes {name}")(made)]
            takers.append(task(lambda x: 1, name=f"has constant {name}")(make()))
    run = flow.start(executor=ProcessExecutor(2))

    assert run.wait(PATIENCE_S).is_finished()
    assert run.results[beside] == [2, 3]
    for one in takers:
        state = run.states[one]
        if not isinstance(state, (Success, TriggerFailed)):
            assert isinstance(state.result, WORDS), (one, state)
            assert repr(one.name) in str(state.result)
