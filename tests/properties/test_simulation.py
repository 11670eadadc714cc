"""The cleanup guarantee in simulated runs: the real run loop, with everything that it waits for made up.

`tests.properties.simulation` says how, and checks the rules, by their numbers, at every step. A failure shows the plan
and what happened in words; ``NBFLOW_CAMPAIGN=N`` simulates N flows for each of the tests.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given

from tests.properties.simulation.campaign import DECISIONS, main, simulate, simulate_busy
from tests.properties.simulation.plans import Plan, plans
from tests.properties.simulation.simulator import Simulator
from tests.properties.simulation.tally import Tally
from tests.properties.strategies import CAMPAIGN, BlockPlan, FlowPlan, TaskPlan, budget
from tests.properties.test_guarantee import HANDLERS

NAMES = tuple(HANDLERS)
EACH_CALL_ENDS = (0, 0, 0)  # of init, setup and a task


class Decided(random.Random):
    """Takes these decisions, then always the most ordinary one."""

    def __new__(cls, *numbers: int) -> Decided:
        return super().__new__(cls)

    def __init__(self, *numbers: int) -> None:
        super().__init__(0)
        self.numbers = list(numbers)

    def randrange(self, n: int, *_: Any) -> int:  # type: ignore[override]
        return min(self.numbers.pop(0), n - 1) if self.numbers else 0


def one_block(*, does: dict[str, tuple[str, ...]], **options: Any) -> Plan:
    block = BlockPlan(key="b", body=(TaskPlan(key="t", uses="b"),))
    return Plan(flow=FlowPlan(items=(block,), does=does), **options)


@budget(320)
@given(plans(handlers=NAMES, modes=("threads",)), DECISIONS)
def test_every_rule_holds_on_threads(plan, decisions):
    simulate(plan, decisions, handlers=HANDLERS)


@budget(160)
@given(plans(handlers=NAMES, modes=("background",)), DECISIONS)
def test_every_rule_holds_on_one_thread_in_the_background(plan, decisions):
    simulate(plan, decisions, handlers=HANDLERS)


@budget(240)
@given(plans(handlers=NAMES, modes=("cluster",)), DECISIONS)
def test_every_rule_holds_on_a_cluster_whose_workers_die(plan, decisions):
    simulate(plan, decisions, handlers=HANDLERS)


def test_each_task_is_called_once_whatever_is_called_back_and_whoever_dies():
    simulate_busy(CAMPAIGN or 80, 1)


@budget(240)
@given(plans(handlers=NAMES, modes=("inline",)), DECISIONS)
def test_every_rule_holds_in_the_callers_own_thread(plan, decisions):
    simulate(plan, decisions, handlers=HANDLERS)


@budget(40)
@given(plans(size=14), DECISIONS)
def test_the_same_decisions_give_the_same_run(plan, decisions):
    taken: list[int] = []

    def take(n: int) -> int:
        taken.append(decisions.randrange(n))
        return taken[-1]

    first = Simulator(plan, take)
    first.go()
    again = simulate(plan, Decided(*taken))

    assert again.told == first.told


def test_the_second_interrupt_leaves_a_cleanup_that_hangs_little_time():
    """Rule 6."""
    plan = one_block(does={"b.cleanup": ("deaf",)}, deeds=((500, "interrupt"), (500, "interrupt")))

    simulation = simulate(plan, Decided(*EACH_CALL_ENDS, 1))

    assert "time passes: 1005.000" in simulation.told


def test_the_third_interrupt_waits_for_nothing():
    """Rule 6."""
    plan = one_block(does={"b.cleanup": ("deaf",)}, deeds=((500, "interrupt"),) * 3)

    simulation = simulate(plan, Decided(*EACH_CALL_ENDS, 1, 1))

    assert not any("time passes" in text for text in simulation.told)
    assert simulation.counts.happened["runs that were given up"] == 1


@pytest.mark.parametrize("early", [{"b": "ok"}, {"b": "raise"}, {}], ids=["early", "stuck", "nothing"])
def test_a_setup_that_is_cut_at_any_of_its_points_is_reclaimed_or_named(early):
    """Rule 13."""
    counts = Tally()

    for moment in range(1, 40):
        plan = one_block(
            does={},
            early=early,
            hasty=("b",),
            mode="inline",
            deeds=((moment, "interrupt"),) * 3,
            after=("retry_cleanup",),
        )
        simulate(plan, Decided(), counts=counts)

    assert counts.happened["setups that were cut"] > 1
    assert (counts.happened["setups that were reclaimed"] > 1) == (early == {"b": "ok"})


def test_what_several_tries_of_a_setup_have_left_is_reclaimed_when_it_is_retried():
    """Rules 7 and 13."""
    plan = one_block(does={"b.setup": ("retry", "loop")}, early={"b": "raise"}, after=("retry_cleanup",))

    simulation = simulate(plan, Decided())

    assert simulation.told.count("b.setup is reclaimed") == 4
    assert "b.cleanup does ok" in simulation.told


def test_what_is_kept_is_cleaned_up_when_the_user_says_so():
    """Rule 19."""
    plan = one_block(does={"t": ("raise",)}, keeps={"b": "all_successful"}, after=("clean_kept",))

    simulation = simulate(plan, Decided())

    assert simulation.counts.resources == {"set up": 1, "kept": 1}
    assert "b.cleanup does ok" in simulation.told


# -- what the simulation found, kept as it was shrunk ---------------------------------------------------------------


def test_a_cleanup_made_when_all_is_given_up_is_not_told_to_be_left():
    """Rule 1: it would be made again, by the user or by another process."""
    inner = BlockPlan(key="inner", body=(TaskPlan(key="t"),))
    outer = BlockPlan(key="outer", body=(inner,))
    plan = Plan(flow=FlowPlan(items=(outer,), does={"inner.cleanup": ("deaf",)}), mode="inline")

    simulation = simulate(plan, Decided(1, 1, 1))

    assert "the user interrupts what hangs" in simulation.told


@pytest.mark.parametrize("has_setup", [True, False])
def test_a_setup_that_comes_after_the_end_and_cannot_be_cleaned_up_is_named(has_setup):
    """Rule 7: in the run's cleanup failures, and by the tracker."""
    opens = "b.setup" if has_setup else "b.init"
    block = BlockPlan(key="b", has_setup=has_setup, body=(TaskPlan(key="t"),))
    does = {opens: ("deaf",), "b.cleanup": ("raise",)}
    plan = Plan(flow=FlowPlan(items=(block,), does=does), graces={"b": 0}, after=("retry_cleanup",))

    simulation = simulate(plan, Decided())

    assert simulation.counts.resources["cleanup failed"] == 1


def test_a_cleanup_that_ends_after_it_was_given_up_is_not_made_again():
    """Rule 1: also not by `retry_cleanup`."""
    plan = one_block(does={"b.cleanup": ("deaf",)}, after=("retry_cleanup",))

    simulation = simulate(plan, Decided())

    assert simulation.counts.resources == {"set up": 1, "cleaned": 1}


def test_resources_that_nothing_uses_are_counted_like_others():
    """No more of a mapped block at once than it says, also when it is empty."""
    block = BlockPlan(key="b", size=3)

    simulate(Plan(flow=FlowPlan(items=(block,)), limits={"b": 1}, workers=3), Decided())


def test_a_resource_that_is_kept_does_not_keep_the_next_element_waiting():
    """Rule 19: it stays open for good, so it does not count among those that may be open at once."""
    block = BlockPlan(key="b", size=2, handler=("init", "plain"))
    plan = Plan(flow=FlowPlan(items=(block,)), limits={"b": 1}, keeps={"b": "never"})

    simulation = simulate(plan, Decided(), handlers=HANDLERS)

    assert simulation.counts.resources["kept"] == 2


def test_a_resource_whose_cleanup_fails_again_is_not_closed_by_what_an_earlier_try_of_its_setup_had_left():
    """Rules 10 and 13: the reaper was told that there is nothing more to reclaim."""
    plan = one_block(
        does={"b.setup": ("retry",), "b.cleanup": ("raise", "raise")},
        early={"b": "raise"},
        after=("retry_cleanup",),
    )

    simulation = simulate(plan, Decided())

    assert simulation.told.count("b.setup is reclaimed") == 2
    assert simulation.counts.resources["cleanup failed"] == 1


def test_a_full_pool_does_not_keep_a_resource_that_came_late_from_being_cleaned_up():
    """Rule 8: its cleanup was looked upon as one with nothing to do, behind the setups that wait for a place."""
    block = BlockPlan(key="b", size=3)
    plan = Plan(flow=FlowPlan(items=(block,)), timeouts={"b.setup": 1}, graces={"b": 0})

    for decisions in itertools.product(range(3), repeat=5):
        simulate(plan, Decided(*decisions))


@pytest.mark.parametrize("mode", ["threads", "background"])
def test_a_cleanup_that_hangs_when_its_setup_came_at_the_last_moment_does_not_hold_the_run(mode):
    """Rule 6: it has a deadline like the others, although the schedule is done."""
    does = {"b.setup": ("deaf",), "b.cleanup": ("hang",)}
    told: list[str] = []

    for moment in range(12, 30):  # one of them is the last
        plan = one_block(
            does=does,
            graces={"b": 0},
            mode=mode,
            deeds=((12, "interrupt"), (12, "interrupt"), (moment, "end")),
        )
        told += simulate(plan, Decided()).told

    assert "hears TaskTimeoutSignal" in told


@pytest.mark.parametrize("command", ["until", "step_block"])
def test_a_run_that_is_to_stop_at_a_task_does_not_take_back_what_it_hands_over(command):
    """It gave a task to a worker, called it back before it had begun, and gave it again, for ever."""
    block = BlockPlan(key="b", body=(TaskPlan(key="t1"), TaskPlan(key="t2")))
    plan = Plan(flow=FlowPlan(items=(block, TaskPlan(key="t3"))), mode="cluster", deeds=((1, command),))

    simulation = simulate(plan, Decided())

    assert "moment 1: " + command in simulation.told
    assert not any("recalled" in text for text in simulation.told)


# -- the simulation itself ------------------------------------------------------------------------------------------


def test_a_campaign_prints_what_became_of_all_resources(capsys):
    main(["20", "--seed", "3"])

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "seed 3"
    assert "       0 left" in printed
    assert "       0 cleaned twice" in printed


def test_counts_tell_how_runs_ended():
    counts = Tally()

    simulate(one_block(does={}, after=("rerun",)), Decided(), counts=counts)

    assert counts.runs == 2
    assert counts.ended == {"Success": 2}
    assert counts.resources == {"set up": 2, "cleaned": 2}
