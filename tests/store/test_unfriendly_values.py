"""Values that cannot be pickled, or whose methods raise or lie, with a store: never an exception of nbflow's."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.errors import NotKeptError
from tests.engine.unfriendly import VALUES
from tests.patience import PATIENCE_S


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
def test_a_run_is_stored_and_resumed_or_refused_with_words(make, store):
    with Flow("f", store=store) as flow:
        made = task(lambda: make(), name="make")()
        taken = task(lambda x: [x, {"x": x}], name="taken")(made)
        below = task(lambda x: x is None, name="below")(made, upstream_tasks=[taken])
    run = flow.start()
    run.wait(PATIENCE_S)
    assert run.state.is_successful()

    flow.plan("stale")
    for what in ("failed", [below], "all"):
        try:
            again = flow.resume(what)
        except NotKeptError:
            continue
        again.wait(PATIENCE_S)
        assert again.state.is_successful()
        assert again.results[below] is False


def test_equality_of_the_users_is_not_asked_when_a_run_is_resumed(store):
    asked = []

    class Counts:
        def __eq__(self, other):
            asked.append(1)
            return True

        __hash__ = None

    with Flow("f", store=store) as flow:
        made = task(lambda: Counts(), name="made")()
        other = task(lambda: Counts(), name="other")()
        below = task(lambda x, y: 1, name="below")(made, other)
    flow.run()

    flow.resume([below]).wait(PATIENCE_S)

    assert asked == []
