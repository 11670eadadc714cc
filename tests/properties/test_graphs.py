"""A run goes to its end, whatever the graph: blocks in blocks, maps, cases, merges, and edges between any two tasks.

`tests.properties.graphs` says how. ``python -m tests.properties.graphs 50000 --seed 1`` plays more of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nbflow import Flow, apply_map, case, ifelse, resource_manager, task
from nbflow.errors import CycleError, OptionError
from tests.properties.graphs.play import ENDED, REFUSED, play

SHARE, SEED = 250, 1
ROOT = Path(__file__).parents[2]


@resource_manager
class Bare:
    """A manager without a setup."""

    def cleanup(self, resource):
        pass


@resource_manager
class Session:
    def setup(self):
        return [1]

    def cleanup(self, resource):
        pass


@task
def work(x=None, y=None):
    return x


def test_a_share_of_the_graphs_is_refused_with_words_or_runs_to_its_end():
    command = [sys.executable, "-m", "tests.properties.graphs", str(SHARE), "--seed", str(SEED)]

    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert played.returncode == 0, played.stdout + played.stderr


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [1213, 1924, 2207, 2758, 2973, 3426, 31019, 102540])
def test_graphs_that_once_could_not_go_on(seed):
    assert play(seed).kind in (ENDED, REFUSED)


def test_a_task_inside_that_its_block_waits_for_is_named_when_the_flow_is_built():
    """There is no edge between them where a manager has no setup."""
    with Flow("f") as flow:
        block = Bare()
        with block:
            inside = work.copy(name="inside")()
        ifelse(inside, block.init_task, None)

    with pytest.raises(CycleError, match=r"inside.*Bare"):
        flow.run()


def test_a_task_that_replaces_another_goes_where_that_was():
    """And not into the block or the case that is open."""
    with Flow("f") as flow:
        with Session() as outer:
            old = work(outer)
            with Session() as inner:
                work(inner)
                new = work.copy(name="new")
                flow.replace(old, new)
        first, second = flow.blocks

    assert new in first.members
    assert new not in second.members
    assert flow.run().is_successful()


def test_a_task_that_replaces_one_in_a_case_is_skipped_with_it():
    with Flow("f") as flow, case(work(1), 2):
        flow.replace(work(), new := work.copy(name="new"))

    assert flow.run().result[new].is_skipped()


def test_a_task_of_the_flow_takes_no_part_in_a_block():
    with Flow("f") as flow:
        other = work()
        with (block := Session()):
            pass

    with pytest.raises(OptionError, match="'Session'"):
        flow.replace(block.cleanup_task, other)


def test_a_task_that_replaces_another_stays_in_its_own_block():
    with Flow("f") as flow:
        with Session() as one:
            old = work(y=1, upstream_tasks=[one])
        with Session() as two:
            kept = work(two)
        flow.replace(old, kept)
        first, second = flow.blocks

    assert kept not in first.members
    assert kept in second.members
    assert flow.run().is_successful()


def test_tasks_that_a_mapped_block_only_uses_stay_outside_of_it():
    """flow-model 5.8"""
    with Flow("f") as flow:
        before = work([1])

        def per(x):
            with Session() as session:
                return work(session, y=[x, before])

        apply_map(per, [1, 2])
        mapped_block = flow.blocks[0]

    assert before not in mapped_block.members
    assert flow.run().is_successful()


def test_a_limit_gives_way_where_all_elements_must_begin_before_one_can_go_on():
    limited = Session.with_options(max_concurrent=1)
    with Flow("f") as flow:

        def per(x):
            with limited(flow=None) as session:
                return work(session)

        apply_map(per, [1, 2])
        block = flow.blocks[0]
    flow.add_edge(block.init_task, block.setup_task)

    assert flow.run().is_successful()
