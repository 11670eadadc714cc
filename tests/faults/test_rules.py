"""Rules 6, 10, 12 and 14 of the guarantee, each with a kernel that is ended at a chosen moment (design 5)."""

from __future__ import annotations

import pytest

from tests.faults.plan import scene
from tests.faults.trial import play

pytestmark = pytest.mark.faults

ENDLESS_S = 600  # a cleanup that takes so long was not waited for, whatever the machine does

ONE = """
with {kind}({cleanup}) as place:
    work(place, 0.3)
"""
TWO = """
with Scratch() as outer:
    begun = work(outer, 0)
    with Server() as inner:
        work(inner, 0.3, upstream_tasks=[begun])
"""


def one(kind, cleanup_s=0.0):
    return ONE.format(kind=kind, cleanup=f"0, {cleanup_s}")


# -- rule 6: the third interrupt hands what is open to the ledger, and the user gets the kernel back ----------


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("start", ["run", "wait"])
def test_rule_6_the_reaper_reclaims_what_three_interrupts_have_left(stable, start, executor):
    plan = scene("interrupt thrice", one("Slow", ENDLESS_S), "cleaning", start=start, executor=executor)

    result = play(plan, stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"reclaimed": 1}


def test_rule_6_what_cannot_be_reclaimed_is_listed_after_three_interrupts(stable):
    result = play(scene("interrupt thrice", one("Bare", 60), "cleaning"), stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"listed": 1}


@pytest.mark.parametrize("end", ["interrupt", "interrupt twice"])
def test_rule_6_one_or_two_interrupts_leave_nothing_to_anybody(stable, end):
    result = play(scene(end, TWO, "begin"), stable)

    assert result.problems == [], str(result)
    assert result.account.fates["run"] == result.account.resources > 0


@pytest.mark.parametrize("start", ["run", "wait", "start"])
def test_rule_6_sigterm_cleans_up_before_the_kernel_ends(stable, start):
    result = play(scene("SIGTERM", TWO, "begin", start=start), stable)

    assert result.problems == [], str(result)
    assert result.account.fates["run"] == result.account.resources > 0


def test_rule_6_sigterm_does_not_wait_for_a_slow_cleanup_in_the_background(stable):
    result = play(scene("SIGTERM", one("Slow", ENDLESS_S), "begin", start="start"), stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"reclaimed": 1}


# -- rule 10: at every instant the ledger knows what may be alive ---------------------------------------------

STEPS = ["early", "making", "set-up", "handle", "begin", "cleaning"]


@pytest.mark.parametrize("imported", [False, True], ids=["notebook", "imported"])
@pytest.mark.parametrize("word", STEPS)
def test_rule_10_what_is_announced_is_reclaimed_wherever_its_life_is_cut_off(stable, word, imported):
    result = play(scene("SIGKILL", one("Scratch"), word, imported=imported), stable)

    assert result.problems == [], str(result)
    assert result.account.fates["reclaimed"] == result.account.resources


@pytest.mark.parametrize("word", ["making", "set-up", "begin", "cleaning"])
def test_rule_10_what_nobody_else_can_find_is_listed_wherever_its_life_is_cut_off(stable, word):
    result = play(scene("SIGKILL", one("Bare"), word), stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"listed": 1}


# -- rule 12: however the kernel dies -------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["run", "start"])
@pytest.mark.parametrize("end", ["SIGKILL", "SIGKILL group", "shutdown now"])
def test_rule_12_the_reaper_reclaims_within_seconds_of_the_kernels_death(stable, end, start):
    result = play(scene(end, TWO, "set-up", start=start), stable)

    assert result.problems == [], str(result)
    assert result.account.fates["reclaimed"] == result.account.resources


def test_rule_12_a_child_that_holds_the_reapers_pipe_open_does_not_keep_it_waiting(stable):
    result = play(scene("SIGKILL", one("Fork"), "begin"), stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"reclaimed": 1}


def test_rule_12_a_cluster_leaves_neither_processes_nor_folders(stable):
    flow = "with DaskCluster(n_workers=1) as client:\n    work(client, 0.3)"

    result = play(scene("SIGKILL", flow, "begin"), stable)

    assert result.problems == [], str(result)
    assert result.account.fates == {"reclaimed": 1}


def test_rule_12_the_next_kernel_says_what_may_be_left(stable):
    result = play(scene("SIGKILL", one("Bare"), "begin"), stable)
    with stable.kernel(start_more=False) as kernel:
        notice = kernel.run("%load_ext nbflow").text

    assert result.account.fates == {"listed": 1}
    assert "Bare" in notice


# -- rule 14: a terminal's IPython empties the user's names when it is left -----------------------------------


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("start", ["start", "step", "run"])
@pytest.mark.parametrize("end", ["terminal exit", "terminal closed"])
def test_rule_14_a_terminal_that_is_left_cleans_up_first(stable, end, start, executor):
    result = play(scene(end, TWO, "begin", start=start, executor=executor), stable)

    assert result.problems == [], str(result)
    assert result.account.fates["run"] == result.account.resources > 0
