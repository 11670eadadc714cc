"""Rule 20 in simulated containers: the living are never taken for dead, and the dead are seen where they can be."""

from __future__ import annotations

from hypothesis import given

from tests.properties.simulation.campaign import DECISIONS
from tests.properties.simulation.containers import Containers
from tests.properties.strategies import budget


@budget(100)
@given(DECISIONS)
def test_rule_20_the_living_are_never_taken_for_dead(decisions):
    Containers(decisions.randrange).go()


def test_every_kind_of_owner_is_met():
    import random

    said = set()
    for seed in range(60):
        containers = Containers(random.Random(seed).randrange)
        containers.go()
        said |= set(containers.said)

    assert said == {"this kernel", "another kernel", "dead kernel", "another container", "another host"}
