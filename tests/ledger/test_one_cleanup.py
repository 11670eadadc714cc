"""One cleanup of a resource at a time, and all of them by the same code and hooks (rules 7, 11 and 15)."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from nbflow import Flow, ledger, resource_manager, task
from nbflow.engine.attempt import Call, TaskCancelled, perform_on_worker
from nbflow.engine.cleanup_turn import in_turn
from nbflow.errors import CleanupRunningError
from nbflow.ledger import ledger_tracker as tracker_module
from nbflow.ledger.process_identity import Kernel
from nbflow.ledger.reaper_client import ReaperClient
from tests.ledger import managers
from tests.ledger.conftest import eventually, hold, log_of
from tests.patience import PATIENCE_S

WAYS = {
    "retry_cleanup": lambda run: run.retry_cleanup(),
    "resources clean": lambda run: ledger.clean(ledger.resources()[-1].id),
}


@task
def use(resource):
    return resource


@pytest.fixture(params=WAYS)
def again(request):
    """Make a failed cleanup again, in each of the ways that there are."""
    return WAYS[request.param]


def run_of(cls, **options):
    """Run a flow whose one resource is of this class; returns the run."""
    with Flow("f") as flow, resource_manager(cls, name="thing", **options)() as thing:
        use(thing)
    with pytest.warns(RuntimeWarning, match="cleanup of 'thing' failed"):
        flow.run()
    return flow.runs[-1]


class Halved(managers.Folder):
    """Its first setup raises, and its early handle reclaims nothing at first; its cleanup fails, again and again."""

    reclaims = 0

    def early_handle(self):
        return self.path

    def setup(self):
        type(self).setups += 1
        if self.setups == 1:
            raise OSError("no room")
        return super().setup()

    def cleanup(self, path):
        raise OSError("busy")

    @staticmethod
    def reclaim(handle):
        Halved.reclaims += 1
        if Halved.reclaims == 1:
            raise OSError("busy, too")


def test_what_an_earlier_try_has_left_and_is_reclaimed_does_not_close_the_row_of_the_resource(tmp_path):
    """Rules 10 and 13: its own cleanup has failed again, so that it is the reaper's to reclaim as before."""
    Halved.setups = Halved.reclaims = 0
    with (
        Flow("f") as flow,
        resource_manager(Halved, name="thing", setup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})(
            str(tmp_path / "a")
        ) as thing,
    ):
        use(thing)
    with pytest.warns(RuntimeWarning, match="cleanup of 'thing' failed"):
        flow.run()
    (before,) = (row for row in ledger.resources() if row.note.endswith("OSError('busy')"))

    failures = flow.runs[-1].retry_cleanup()

    assert Halved.reclaims == 2
    assert list(failures)
    (after,) = (row for row in ledger.resources() if row.id == before.id)
    assert (after.state, after.handle, after.is_reclaimable) == ("failed", str(tmp_path / "a"), True)


class Failing:
    """Its cleanup fails as often as `failures` says."""

    failures = 1

    def __init__(self):
        type(self).told = []
        self.left = self.failures

    def setup(self):
        return "thing"

    def cleanup(self, thing, outcome):
        self.told.append(("cleanup", outcome.is_successful))
        if self.left:
            self.left -= 1
            raise OSError("busy")

    def on_success(self, thing):
        self.told.append("on_success")


# -- the same code ------------------------------------------------------------------------------------------------


def test_rule_15_a_cleanup_is_made_again_with_the_same_outcome_and_no_hook_twice(again):
    class Thing(Failing):
        pass

    run = run_of(Thing)

    again(run)

    assert Thing.told == ["on_success", ("cleanup", True), ("cleanup", True)]
    assert run.cleanup_failures == {}
    assert run.block_status[run.flow.blocks[0]] == "cleaned"
    assert ledger.resources() == []
    assert [row.state for row in ledger.resources(all=True)] == ["closed"]


def test_rule_7_one_that_fails_again_stays_listed_until_it_goes_well():
    class Thing(Failing):
        failures = 2

    run = run_of(Thing)
    with pytest.raises(ledger.ReclaimError, match=r"its cleanup raised OSError\('busy'"):
        ledger.clean(ledger.resources()[-1].id)
    assert [row.state for row in ledger.resources()] == ["failed"]
    assert list(run.cleanup_failures) == [run.flow.blocks[0]]

    assert ledger.clean(ledger.resources()[-1].id).state == "closed"


def test_rule_9_what_is_left_of_half_a_setup_is_undone_by_either_way(again):
    undone = []

    class Thing(Failing):
        def setup(self):
            self.defer(self.undo)
            raise OSError("no")

        def undo(self):
            undone.append(len(undone))
            if len(undone) == 1:
                raise OSError("busy")

    again(run_of(Thing))

    assert undone == [0, 1]
    assert ledger.resources() == []


def test_a_coroutine_of_a_cleanup_is_awaited(again):
    class Thing(Failing):
        async def cleanup(self, thing):
            self.told.append("cleanup")
            if self.left:
                self.left -= 1
                raise OSError("busy")

    again(run_of(Thing))

    assert Thing.told[1:] == ["cleanup"] * 2
    assert ledger.resources() == []


# -- one at a time ------------------------------------------------------------------------------------------------


@pytest.fixture
def lingering():
    """A run that was cancelled, and whose cleanup is over its time and goes on until `end` is set."""
    end, begun, log = threading.Event(), threading.Event(), []

    class Thing:
        def setup(self):
            return "thing"

        def cleanup(self, thing):
            log.append("begins")
            end.wait(PATIENCE_S)
            log.append("done")

    @task
    def wait(thing):
        begun.set()

    made = resource_manager(Thing, name="thing", cleanup_timeout_s=0.05)
    with Flow("f") as flow, made() as thing:
        wait(thing)
    run = flow.start()
    eventually(lambda: log == ["begins"])
    run.cancel()
    with pytest.warns(RuntimeWarning, match="thing"):
        run.wait(PATIENCE_S)
    yield SimpleNamespace(run=run, end=end, log=log)
    end.set()
    eventually(lambda: log[-1] == "done")


def test_rule_15_a_cleanup_that_lingers_is_waited_for(lingering, again):
    lingering.run.graph.blocks[0].manager.cleanup_timeout_s = PATIENCE_S
    threading.Timer(0.05, lingering.end.set).start()

    again(lingering.run)

    assert lingering.log == ["begins", "done"]
    eventually(lambda: lingering.run.cleanup_failures == {})
    eventually(lambda: ledger.resources() == [])


def test_rule_15_a_retry_beside_a_cleanup_that_goes_on_is_refused_with_words(lingering):
    with pytest.warns(RuntimeWarning, match="another cleanup of 'thing' is still at work"):
        failures = lingering.run.retry_cleanup()

    assert list(failures) == [lingering.run.graph.blocks[0]]
    assert lingering.log == ["begins"]
    lingering.end.set()
    eventually(lambda: lingering.run.cleanup_failures == {})
    assert lingering.log == ["begins", "done"]


def test_rule_15_clean_beside_a_cleanup_that_goes_on_is_refused_with_words(lingering):
    (row,) = ledger.resources()

    with pytest.raises(ledger.ResourceInUseError, match=r"another cleanup of 'thing'.*look again"):
        ledger.clean(row.id)

    assert lingering.log == ["begins"]
    lingering.end.set()
    eventually(lambda: ledger.resources() == [])
    assert ledger.clean(row.id).state == "closed"
    assert lingering.log == ["begins", "done"]


def test_rule_15_clean_beside_a_retry_that_is_at_work_is_refused_as_another_cleanup():
    """It waits for that one, as long as a cleanup may take: the run itself has given the resource up."""
    begun, end = threading.Event(), threading.Event()

    class Slow(Failing):
        def cleanup(self, thing, outcome):
            if not self.left:
                begun.set()
                end.wait(PATIENCE_S)
            super().cleanup(thing, outcome)

    run = run_of(Slow, cleanup_timeout_s=0.2)
    (row,) = ledger.resources()
    retry = threading.Thread(target=run.retry_cleanup)
    retry.start()
    begun.wait(PATIENCE_S)

    with pytest.raises(ledger.ResourceInUseError, match=r"another cleanup of 'thing'.*look again"):
        ledger.clean(row.id)

    end.set()
    retry.join(PATIENCE_S)
    assert ledger.clean(row.id).state == "closed"
    assert Slow.told.count(("cleanup", True)) == 2


def test_rule_15_two_who_try_again_at_the_same_time_clean_once():
    both = threading.Barrier(2)

    class Thing(Failing):
        pass

    run = run_of(Thing)
    (row,) = ledger.resources()

    def try_again(act):
        both.wait(PATIENCE_S)
        act()

    threads = [
        threading.Thread(target=try_again, args=(act,)) for act in (run.retry_cleanup, lambda: ledger.clean(row.id))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert Thing.told.count(("cleanup", True)) == 2  # the one that failed, and one
    assert ledger.resources() == []


# -- and the reaper -----------------------------------------------------------------------------------------------


class FakeReaper:
    """Notes what it is told."""

    process = None

    def __init__(self):
        self.told = []

    def register(self, job, tell):
        self.told.append("register")

    def reclaim_now(self, key, tell):
        self.told.append("now")

    def release(self, key):
        self.told.append("release")

    def is_alive(self):
        return True

    def start_soon(self, path):
        """Do nothing."""


def test_rule_15_the_reaper_is_not_told_to_reclaim_what_a_cleanup_is_still_at_work_on(keep, tmp_path):
    reaper = FakeReaper()
    kept, held = keep(reaper), hold(managers.Folder, str(tmp_path / "a"))
    kept.tracker.intend(held)
    held.resource = held.manager.setup()
    kept.tracker.opened(held)

    with held.turn.taken(0) as is_ours:
        kept.tracker.abandoned(held)
        assert is_ours
        assert reaper.told == ["register"]

    eventually(lambda: reaper.told == ["register", "now"])


def test_rule_6_a_cleanup_that_goes_on_is_cut_when_the_user_gives_its_resource_up(keep, tmp_path):
    told, begun = [], threading.Event()

    def clean_up(**inputs):
        begun.set()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            time.sleep(0.001)

    reaper = FakeReaper()
    kept, held = keep(reaper), hold(managers.Folder, str(tmp_path / "a"))
    kept.tracker.intend(held)
    held.resource = held.manager.setup()
    kept.tracker.opened(held)
    call = Call(-1, held.block.cleanup_task, clean_up, {}, lambda *_: {})
    in_turn(call, held)
    thread = threading.Thread(target=lambda: told.append(perform_on_worker(call).error))
    thread.start()
    begun.wait(PATIENCE_S)

    kept.tracker.abandoned(held)

    eventually(lambda: reaper.told == ["register", "now"])
    thread.join(PATIENCE_S)
    assert [type(error) for error in told] == [TaskCancelled]


def test_rule_15_the_reaper_is_not_told_at_all_when_that_cleanup_went_well(keep, tmp_path):
    reaper = FakeReaper()
    kept, held = keep(reaper), hold(managers.Folder, str(tmp_path / "a"))
    kept.tracker.intend(held)
    held.resource = held.manager.setup()
    kept.tracker.opened(held)

    with held.turn.taken(0):
        kept.tracker.abandoned(held)
        held.turn.is_done = True
        kept.tracker.closed(held)

    eventually(lambda: not [one for one in threading.enumerate() if "_give_up_later" in one.name])
    assert reaper.told == ["register", "release"]


def test_rule_15_a_cleanup_is_not_made_again_beside_the_reapers_reclaim(keep, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker_module, "_CLAIM_WAIT_S", 0)
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)
    kept, held = keep(client), hold(managers.HangingOnce, str(tmp_path / "first"))
    kept.tracker.intend(held)
    held.resource = held.manager.setup()
    kept.tracker.opened(held)
    kept.tracker.abandoned(held)

    assert kept.tracker.claim(held).at_work == "the reaper's reclaim"
    assert "the reaper's reclaim of 'Hanging" in str(CleanupRunningError(held.name, "the reaper's reclaim"))
    managers.let_go(tmp_path)

    assert eventually(lambda: kept.tracker.claim(held).is_gone)
    assert log_of(tmp_path) == ["hanging first"]
    client.let_go()


def test_rule_15_what_the_reaper_could_not_reclaim_is_free_for_another_try(keep, tmp_path):
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)
    kept, held = keep(client), hold(managers.Refusing, str(tmp_path / "a"))
    kept.tracker.intend(held)
    held.resource = held.manager.setup()
    kept.tracker.opened(held)
    kept.tracker.abandoned(held)

    answer = kept.tracker.claim(held)  # waits for the reaper

    assert answer == (False, "")
    assert [row.state for row in ledger.resources()] == ["failed"]
    client.release(kept.session.records()[-1].key)
    client.let_go()
