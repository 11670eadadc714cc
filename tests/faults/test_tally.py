"""The campaign's own accounts: it would notice what is left and what is cleaned up twice."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import psutil
import pytest

from tests.faults.kernels import MARK, marked
from tests.faults.plan import CELL, ENDS, draw
from tests.faults.tally import Ended, take_tally
from tests.faults.trial import until
from tests.faults.workload import TOKEN
from tests.patience import PATIENCE_S

KILLED = Ended(died_at=100.0, cut_off=True)
SURVIVED = Ended(died_at=100.0, cut_off=False)


@dataclass
class Row:
    manager: str
    state: str
    is_reclaimable: bool = False
    handle: object = None
    id: int = 1
    note: str = ""
    until: float | None = None


class Ghost:
    """A kernel that is no more: its folder, its log, what descends from it."""

    def __init__(self, folder):
        self.folder = folder
        self.said = []

    def say(self, *words, kind="Scratch", at=90.0):
        self.said += [f"{at} 1 {word} {kind}-1" for word in words]
        return self

    def lines(self):
        return self.said

    def left(self):
        return marked(str(self.folder))


@pytest.fixture
def ghost(tmp_path):
    (tmp_path / "rooms").mkdir()
    return Ghost(tmp_path)


@pytest.mark.parametrize(
    ("said", "ended", "fates"),
    [
        ("setting-up making set-up cleaning cleaned", KILLED, {"run": 1}),
        ("setting-up making undone", KILLED, {"run": 1}),
        ("setting-up making set-up cleaning cleaned cleaned", KILLED, {"twice": 1}),
        ("setting-up making set-up undone cleaned", KILLED, {"twice": 1}),
        ("init", KILLED, {}),
        ("init setting-up", KILLED, {}),
        ("setting-up making set-up", KILLED, {"left": 1}),
        ("setting-up making set-up cleaning", KILLED, {"left": 1}),
    ],
)
def test_a_resource_is_closed_once_by_the_run(ghost, said, ended, fates):
    assert take_tally(ghost.say(*said.split()), [], ended).fates == fates


def test_a_reclaim_of_what_the_dead_kernel_had_open_is_right(ghost):
    ghost.say("making", "set-up", "cleaning").say("reclaiming", "reclaimed", at=101.0)

    assert take_tally(ghost, [], KILLED).fates == {"reclaimed": 1}


def test_a_reclaim_while_the_kernel_lives_is_wrong(ghost):
    ghost.say("making", "set-up").say("reclaiming", "reclaimed", at=95.0)

    assert take_tally(ghost, [], KILLED).fates == {"twice": 1}


def test_a_reclaim_after_a_whole_cleanup_is_wrong_unless_the_kernel_died_that_moment(ghost):
    ghost.say("making", "set-up", "cleaned", at=97.0).say("reclaiming", "reclaimed", at=101.0)

    assert take_tally(ghost, [], KILLED).fates == {"twice": 1}
    assert take_tally(ghost, [], Ended(died_at=97.2, cut_off=True)).fates == {"run": 1}
    assert take_tally(ghost, [], Ended(died_at=97.2, cut_off=False)).fates == {"twice": 1}


def test_a_reclaim_of_what_the_run_has_given_up_is_right_although_the_kernel_lives(ghost):
    ghost.say("making", "set-up", "cleaning").say("reclaiming", "reclaimed", at=95.0)
    thrice = Ended(died_at=100.0, cut_off=False, given_up_at=94.0)

    assert take_tally(ghost, [], thrice).fates == {"reclaimed": 1}
    ghost.say("cleaned", at=91.0)
    assert take_tally(ghost, [], thrice).fates == {"twice": 1}


def test_what_cannot_be_found_must_be_listed(ghost):
    ghost.say("making", "set-up", kind="Bare")

    assert take_tally(ghost, [], KILLED).fates == {"left": 1}
    assert take_tally(ghost, [Row("Bare", "open")], KILLED).fates == {"listed": 1}


def test_what_can_be_found_is_not_done_with_by_listing_it(ghost):
    ghost.say("making", "set-up", "handle")

    assert take_tally(ghost, [Row("Scratch", "open", True, {})], KILLED).fates["left"] >= 1


def test_listing_is_not_enough_when_the_run_could_end(ghost):
    ghost.say("making", "set-up", kind="Bare")

    assert take_tally(ghost, [Row("Bare", "open")], SURVIVED).fates["left"] >= 1


def test_a_folder_that_is_still_there_is_left_whatever_the_log_says(ghost):
    ghost.say("making", "set-up", "cleaning", "cleaned")
    (ghost.folder / "rooms" / "Scratch-1").mkdir()

    assert take_tally(ghost, [], KILLED).fates == {"left": 1}


@pytest.mark.parametrize("token", [{TOKEN: "Scratch-1"}, {}], ids=["of a resource", "of nobody"])
def test_a_process_that_is_still_there_is_left(ghost, token):
    ghost.say("making", "set-up", "cleaning", "cleaned")
    environ = {**os.environ, MARK: str(ghost.folder), **token}
    with subprocess.Popen(["sleep", "100"], env=environ) as process:
        assert until(lambda: MARK in psutil.Process(process.pid).environ(), PATIENCE_S)  # it is empty for a moment
        fates = take_tally(ghost, [], KILLED).fates
        process.kill()

    assert fates["left"] == 1


def test_a_row_that_nobody_has_closed_is_left(ghost):
    row = Row("Scratch", "closing", True, {"path": "x"})

    assert take_tally(ghost, [row], KILLED).fates == {"left": 1}


@pytest.mark.parametrize("end", ENDS)
def test_a_round_can_be_drawn_again(end):
    assert draw(3, 7, end) == draw(3, 7, end)
    assert draw(3, 7, end) != draw(4, 7, end)


def test_every_flow_that_is_drawn_is_python():
    for number in range(200):
        plan = draw(1, number, ENDS[number % len(ENDS)])

        compile(CELL.format(name="x", flow=plan.flow), "cell", "exec")
