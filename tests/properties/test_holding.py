"""Runs that are held at failures and breakpoints, and fixed at random: nothing leaks, nothing is cleaned twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import NbflowError
from nbflow.executors import ThreadExecutor
from tests.properties.strategies import Built, budget
from tests.properties.test_guarantee import HANDLERS, PLANS, SEEDS, TIMEOUT_S, check, quiet

if TYPE_CHECKING:
    from nbflow.engine.run import Run

MOVES = (
    "retry",
    "retry",
    "skip",
    "set",
    "undo",
    "undo",
    "step",
    "step",
    "resume",
    "let go",
    "break",
    "clear",
    "toggle",
    "cancel",
)
MOST_MOVES = 60


def move(run: Run, chosen: random.Random) -> None:
    """Do something that a person may do to a run that is paused; what is refused leaves it as it was."""
    task = chosen.choice(run.held) if run.held and chosen.random() < 0.7 else chosen.choice(run.graph.tasks)
    command = chosen.choice(MOVES)
    before = [(kind, held) for kind, held in run._loop.breakpoints.at.items()]
    try:
        if command == "retry":
            run.retry(task)
        elif command == "skip":
            run.skip(task)
        elif command == "set":
            run.set_result(task, chosen.choice((None, 1, [1, 2])))
        elif command == "undo":
            run.undo()
        elif command == "step":
            run.step(into=chosen.random() < 0.5)
        elif command == "let go":
            run.resume(task)
        elif command == "break":
            run.break_at(task, after=chosen.random() < 0.3)
        elif command == "clear":
            run.clear_break(task)
        elif command == "toggle":
            run.hold_on_failure = not run.hold_on_failure
        elif command == "resume" and chosen.random() < 0.5:
            run.resume()
        elif command == "cancel" and chosen.random() < 0.2:
            run.cancel()
    except NbflowError:
        assert command not in ("retry", "skip", "set", "undo") or before == list(run._loop.breakpoints.at.items())


@budget(30)
@given(PLANS, SEEDS, st.sampled_from((None, 2)))
def test_a_run_that_is_held_and_fixed_at_random_keeps_the_guarantee(plan: Any, seed: int, workers: int | None):
    """Rules 1 to 4, 7 and 8."""
    built = Built(plan, handlers=HANDLERS)
    chosen = random.Random(seed)

    with quiet():
        run = built.flow.start(
            paused=True, hold_on_failure=True, executor=ThreadExecutor(workers) if workers else "inline"
        )
        for _ in range(MOST_MOVES):
            if run.wait(TIMEOUT_S, or_held=True).is_finished():
                break
            move(run, chosen)
        run.hold_on_failure = False
        for task in run.graph.tasks:
            run.clear_break(task)
        while not run.wait(TIMEOUT_S, or_held=True).is_finished() and run.is_paused:
            run.resume()
        run.wait(TIMEOUT_S)

    check(run, built.world)
