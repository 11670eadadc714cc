"""The pool of reclaims: one process a class, inner before outer, and one that hangs delays nobody (rule 12)."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nbflow.ledger.reclaim_pool import ReclaimPool
from tests.ledger import managers
from tests.ledger.conftest import ROOT, eventually, log_of
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


class Pool:
    """A pool with short patience, and what has become of its jobs, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended: dict[str, str | None] = {}
        self.pool = ReclaimPool(self.note, patience_s=0.1)
        self.codes: dict[str, dict[str, object]] = {}

    def note(self, job, why, reason) -> None:
        self.ended[job["key"]] = reason

    def job(self, name: str, cls: type, *, within=(), deadline_s: float = PATIENCE_S):
        (self.folder / name).mkdir(exist_ok=True)
        path = f"{cls.__module__}:{cls.__qualname__}"
        code = self.codes.setdefault(
            path, {"import": path, "sys_path": [str(ROOT), *sys.path], "deadline_s": deadline_s}
        )
        handle = str(self.folder / name)
        return {"key": name, "handle": handle, "code": code, "within": list(within)}, "for a test"

    def finish(self) -> None:
        assert self.pool.wait(PATIENCE_S)


@pytest.fixture
def pool(tmp_path):
    return Pool(tmp_path)


class Telling(managers.Folder):
    """Notes its process."""

    @staticmethod
    def reclaim(handle: str) -> None:
        import os

        managers.note(handle, f"{os.getpid()}")


def test_many_resources_of_one_class_need_one_process(pool, tmp_path):
    pool.pool.add(*(pool.job(str(number), Telling) for number in range(60)))

    pool.finish()

    assert list(pool.ended) == [str(number) for number in range(60)]
    assert set(pool.ended.values()) == {None}
    assert len({line.split()[0] for line in log_of(tmp_path)}) == 1


def test_one_that_hangs_delays_no_other_of_its_class(pool):
    pool.pool.add(
        pool.job("first", managers.HangingOnce, deadline_s=PATIENCE_S),
        *(pool.job(name, managers.HangingOnce) for name in "abc"),
    )

    eventually(lambda: list(pool.ended) == ["a", "b", "c"])
    managers.let_go(pool.folder)
    pool.finish()


def test_one_that_hangs_delays_no_other_class(pool):
    pool.pool.add(pool.job("first", managers.HangingOnce), pool.job("second", managers.Folder))

    eventually(lambda: list(pool.ended) == ["second"])
    managers.let_go(pool.folder)
    pool.finish()


def test_rule_4_what_is_inside_is_reclaimed_first_also_of_another_class(pool):
    outer = pool.job("outer", Telling)
    middle = pool.job("middle", managers.Folder, within=["outer"])
    inner = pool.job("inner", managers.Early, within=["outer", "middle"])
    pool.pool = ReclaimPool(pool.note, patience_s=PATIENCE_S)

    pool.pool.add(outer, middle, inner)
    pool.finish()

    assert list(pool.ended) == ["inner", "middle", "outer"]


def test_what_is_around_one_that_hangs_is_reclaimed_all_the_same(pool):
    pool.pool.add(pool.job("first", managers.HangingOnce, within=["outer"]), pool.job("outer", managers.Folder))

    eventually(lambda: list(pool.ended) == ["outer"])
    managers.let_go(pool.folder)
    pool.finish()


def test_what_is_around_one_that_fails_is_reclaimed_all_the_same(pool):
    pool.pool.add(pool.job("inner", managers.Refusing, within=["outer"]), pool.job("outer", managers.Folder))

    pool.finish()

    assert list(pool.ended) == ["inner", "outer"]
    assert "no rights" in pool.ended["inner"]


def test_a_process_that_a_reclaim_ends_is_replaced_for_the_next_one(pool):
    pool.pool.add(pool.job("first", managers.Ending), pool.job("second", managers.Ending))

    pool.finish()

    assert pool.ended == dict.fromkeys(("first", "second"), "reclaim ended its process with status 7")


def test_one_that_takes_too_long_is_stopped_and_told(pool):
    pool.pool.add(pool.job("first", managers.Hanging, deadline_s=0.1))

    pool.finish()

    assert pool.ended == {"first": "reclaim took longer than 0.1 s and was stopped"}


def test_a_job_is_done_once_however_often_it_is_asked_for(pool, tmp_path):
    job = pool.job("a", Telling)
    pool.pool.add(job, job)
    pool.finish()

    pool.pool.add(job)
    pool.finish()

    assert len(log_of(tmp_path)) == 1


def test_what_was_cleaned_up_meanwhile_is_taken_back(pool):
    pool.pool = ReclaimPool(pool.note, patience_s=PATIENCE_S)
    pool.pool.add(pool.job("first", managers.HangingOnce, within=["outer"]), pool.job("outer", managers.Folder))
    eventually(lambda: log_of(pool.folder) == ["hanging first"])

    pool.pool.drop("outer")
    pool.pool.drop("first")  # too late for that one
    managers.let_go(pool.folder)
    pool.finish()

    assert list(pool.ended) == ["first"]


def test_no_thread_is_left(pool):
    pool.pool.add(pool.job("a", Telling))
    pool.finish()

    eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("reclaim")])
