"""Many simulated runs, and a table of what became of their resources."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.properties.simulation.containers import Containers
from tests.properties.simulation.plans import Plan, busy_plan, plans
from tests.properties.simulation.simulator import Simulator
from tests.properties.simulation.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

DECISIONS = st.randoms(use_true_random=False)
"""Hypothesis decides, and shrinks its decisions to the most ordinary ones."""


def simulate(
    plan: Plan,
    decisions: random.Random,
    *,
    handlers: dict[str, Callable[..., Any]] | None = None,
    counts: Tally | None = None,
) -> Simulator:
    """Run a plan with the decisions of Hypothesis; what happened is shown with a counterexample."""
    simulation = Simulator(plan, decisions.randrange, handlers=handlers, counts=counts)
    try:
        simulation.go()
    except BaseException as error:
        error.add_note("what happened:\n  " + "\n  ".join(simulation.told))
        raise
    return simulation


def main(arguments: list[str] | None = None) -> None:
    """Simulate many runs and print what became of their resources."""
    from tests.properties.test_guarantee import HANDLERS

    parser = argparse.ArgumentParser(prog="python -m tests.properties.simulation", description=main.__doc__)
    parser.add_argument("examples", type=int, help="how many flows to simulate; some are run again")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same again")
    options = parser.parse_args(arguments)
    counts, begun = Tally(), time.perf_counter()

    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @seed(options.seed)
    @given(plans(handlers=tuple(HANDLERS)), DECISIONS)
    def campaign(plan: Plan, decisions: random.Random) -> None:
        simulate(plan, decisions, handlers=HANDLERS, counts=counts)

    print(f"seed {options.seed}")
    try:
        campaign()
        simulate_busy(options.examples // 2, options.seed, counts)
    finally:
        print(counts.table())
    print(f"\n{table_of_containers(options.examples, options.seed)}\n\n{time.perf_counter() - begun:.0f} s")


def simulate_busy(runs: int, first: int, counts: Tally | None = None) -> None:
    """Simulate runs that have much to hand over to a cluster."""
    for number in range(runs):
        decisions = random.Random(f"{first} {number}")
        simulate(busy_plan(decisions), decisions, counts=counts)


def table_of_containers(histories: int, first: int) -> str:
    """Play histories of kernels in containers; returns a table of what each kernel says of the rows of all."""
    said: Counter[str] = Counter()
    for number in range(histories):
        containers = Containers(random.Random(f"{first} {number}").randrange)
        containers.go()
        said += containers.said
    lines = [
        f"{histories:>8} histories of kernels in containers",
        "",
        "whose a row is, to a kernel that looks",
    ]
    return "\n".join([*lines, *(f"{said[owner]:>8} {owner}" for owner in sorted(said))])
