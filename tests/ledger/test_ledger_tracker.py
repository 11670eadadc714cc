"""The tracker and the file: rule 10 for each step of a resource's life, and every fault of the disk."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import pytest

from nbflow import Flow, ledger, resource_manager, task
from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.ledger_tracker import LedgerTracker, tracker_of
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel
from nbflow.ledger.schema import VERSION
from nbflow.ledger.store import LOCK_WAIT_S, Store
from tests.ledger import managers
from tests.ledger.conftest import hold


def rows(path=None):
    """What another process sees."""
    store = Store(path or ledger_path())
    found = store.all_rows()
    store.close()
    return [(row.block, row.state, row.handle, row.until is None) for row in found]


def states():
    return [(block, state) for block, state, _, _ in rows()]


def a_while_later(kept):
    """Go on as if a second had gone by since the last commit, and since the files were looked at."""
    kept.session._committed_at -= 1
    kept.session._looked_at -= 1


def set_up(kept, name="somewhere", held=None):
    """Set up what has a handle, which is written to the file itself."""
    held = held or hold(managers.Folder, name)
    kept.tracker.intend(held)
    held.resource = name
    kept.tracker.opened(held)
    return held


# -- rule 10: a resource's life -----------------------------------------------------------------------------------


def test_rule_10_the_intention_is_on_disk_when_intend_returns(keep):
    kept = keep()

    kept.tracker.intend(hold(managers.Plain))

    assert states() == [("Plain", "intent")]
    assert kept.told == []


def test_rule_10_the_handle_is_on_disk_when_opened_returns(keep):
    kept, held = keep(), hold(managers.Folder, "somewhere")
    kept.tracker.intend(held)
    held.resource = "somewhere"

    kept.tracker.opened(held)

    assert rows() == [("Folder", "open", '"somewhere"', True)]


def test_rule_10_the_end_of_a_resource_with_a_handle_is_on_disk_at_once(keep):
    kept, held = keep(), hold(managers.Folder, "somewhere")
    for step in (kept.tracker.intend, kept.tracker.opened, kept.tracker.closing, kept.tracker.closed):
        held.resource = "somewhere"
        step(held)

    assert [(state, is_open) for _, state, _, is_open in rows()] == [("closed", False)]


def test_rule_10_every_end_is_on_disk_when_the_run_is_over(keep):
    kept = keep()
    for _ in range(5):
        held = hold(managers.Plain)
        for step in (kept.tracker.intend, kept.tracker.opened, kept.tracker.closing, kept.tracker.closed):
            step(held)

    kept.tracker.flush()

    assert states() == [("Plain", "closed")] * 5


def test_rule_10_a_change_a_while_after_the_last_commit_is_written_at_once(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)
    a_while_later(kept)

    kept.tracker.opened(held)

    assert states() == [("Plain", "open")]


def test_rule_10_a_setup_that_raised_leaves_a_closed_row(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)

    kept.tracker.closed(held)
    kept.tracker.flush()

    assert states() == [("Plain", "closed")]


def test_rule_10_a_setup_that_is_retried_has_one_row(keep):
    kept, held = keep(), hold(managers.Plain)

    kept.tracker.intend(held)
    kept.tracker.intend(held)

    assert states() == [("Plain", "intent")]


def test_rule_10_an_init_that_is_the_setup_has_no_manager_yet(keep):
    kept, held = keep(), hold(managers.Plain)
    held.manager = None

    kept.tracker.intend(held)

    assert states() == [("Plain", "intent")]


def test_rule_7_a_failed_cleanup_stays_open_and_says_why(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)

    kept.tracker.failed(held, OSError("no route"))

    (row,) = ledger.resources()
    assert (row.state, row.until) == ("failed", None)
    assert "no route" in row.note


def test_rule_7_a_cleanup_that_is_retried_ends_its_row(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)
    kept.tracker.failed(held, OSError("no route"))
    kept.tracker.flush()

    kept.tracker.closing(held)
    kept.tracker.closed(held)

    assert states() == [("Plain", "closed")]


def test_rule_6_a_resource_that_was_given_up_stays_open(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)

    kept.tracker.abandoned(held)

    assert states() == [("Plain", "abandoned")]


def test_a_setup_that_was_cut_and_gave_no_handle_cannot_be_cleaned_and_says_so(nbflow_home):
    """Rule 7."""

    def cut(self):
        raise KeyboardInterrupt

    manager = resource_manager(type("Stranger", (managers.Plain,), {"setup": cut}))
    with Flow("f") as flow, manager() as place:
        task(lambda place: place, name="use")(place)
    with pytest.warns(RuntimeWarning, match="what it had made may be left"), pytest.raises(KeyboardInterrupt):
        flow.run()
    (row,) = ledger.resources()

    with pytest.raises(ledger.NotReclaimableError, match=rf"its manager gave no handle.*forget\({row.id}\)"):
        ledger.clean(row.id)

    assert ledger.forget(row.id).until is not None


def test_a_block_without_handle_needs_no_commit(keep):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    statements = []
    kept.session._store._db.set_trace_callback(statements.append)
    held = hold(managers.Plain)

    for step in (kept.tracker.intend, kept.tracker.opened, kept.tracker.closing, kept.tracker.closed):
        step(held)

    assert statements == []


# -- the place ----------------------------------------------------------------------------------------------------


def test_only_the_owner_can_look_into_the_ledger(keep):
    keep().tracker.intend(hold(managers.Plain))

    assert stat.S_IMODE(ledger_path().parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(ledger_path().stat().st_mode) == 0o600


def test_without_NBFLOW_HOME_it_is_in_the_users_data_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("NBFLOW_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert ledger_path() == tmp_path.resolve() / "nbflow" / "ledger" / "ledger.sqlite3"


def test_importing_nbflow_loads_neither_the_ledger_nor_sqlite():
    code = "import sys, nbflow; print([one for one in ('nbflow.ledger', 'sqlite3', 'psutil') if one in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_loading_the_ledger_loads_no_foreign_module():
    code = (
        "import sys, nbflow.ledger\n"
        "print([one for one in ('sqlite3', 'psutil', 'cloudpickle', 'platformdirs') if one in sys.modules])"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


# -- faults of the disk -------------------------------------------------------------------------------------------


def test_a_ledger_that_is_removed_while_in_use_is_begun_again_with_all_that_is_open(keep):
    kept, first, second = keep(), hold(managers.Plain), hold(managers.Folder, "somewhere")
    kept.tracker.intend(first)
    for path in ledger_path().parent.iterdir():
        path.unlink()
    a_while_later(kept)

    kept.tracker.intend(second)

    assert states() == [("Plain", "intent"), ("Folder", "intent")]
    assert len(kept.told) == 1
    assert "removed while it was in use" in kept.told[0]


def test_a_ledger_that_is_removed_between_two_runs_loses_only_what_has_ended(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)
    kept.tracker.closed(held)
    kept.tracker.flush()
    for path in ledger_path().parent.iterdir():
        path.unlink()
    ledger_path().parent.rmdir()
    a_while_later(kept)

    kept.tracker.intend(hold(managers.Folder))

    assert states() == [("Folder", "intent")]


@pytest.fixture
def locked(keep):
    """A ledger whose lock another process holds, until the returned function is called."""
    keep().tracker.intend(hold(managers.Plain))
    code = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True); sys.stdin.read(); db.execute('ROLLBACK'); db.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, ledger_path()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"

        def let_go():
            if other.poll() is None:
                other.communicate()

        yield let_go
        let_go()


def test_a_locked_ledger_is_waited_for_once_and_told_once(keep, locked):
    kept = keep()
    begun = time.monotonic()

    set_up(kept)
    assert time.monotonic() - begun >= LOCK_WAIT_S
    for _ in range(4):
        assert kept.session._store._wait_s < LOCK_WAIT_S / 10  # from now on
        set_up(kept)

    assert len(kept.told) == 1
    assert "locked by another process" in kept.told[0]
    assert "The run goes on" in kept.told[0]


def test_what_could_not_be_written_is_written_when_the_lock_is_gone(keep, locked):
    kept = keep()
    kept.session._in_trouble(True)  # so as not to wait the whole time
    kept.tracker.closed(set_up(kept))
    set_up(kept)

    locked()
    kept.tracker.flush()

    assert states() == [("Plain", "intent"), ("Folder", "closed"), ("Folder", "open")]


def test_rule_10_what_has_no_handle_is_recorded_while_the_ledger_is_locked(keep, locked):
    kept = keep()
    kept.session._in_trouble(True)
    set_up(kept, "a")  # waits for the lock to be gone
    kept.tracker.intend(hold(managers.Plain))

    locked()

    assert ("Plain", "intent", None, True) in rows()[1:]


@pytest.fixture
def as_nobody(tmp_path_factory):
    """Give up the rights of root, who may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def open_folder(monkeypatch, tmp_path):
    """A home below folders that everybody may pass through."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        if folder.stat().st_uid == os.getuid() and str(folder) != "/tmp":
            folder.chmod(0o755)
    home = tmp_path / "home"
    monkeypatch.setenv("NBFLOW_HOME", str(home))
    return home


def test_a_folder_that_cannot_be_made_is_told_and_harms_nothing(keep, open_folder, as_nobody):
    kept = keep()

    kept.tracker.intend(hold(managers.Plain))
    kept.tracker.flush()

    assert len(kept.told) == 1
    assert "ermission denied" in kept.told[0]
    assert "NBFLOW_HOME" in kept.told[0]


def test_a_folder_below_a_file_is_told_and_harms_nothing(keep, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / "file" / "home"))
    kept = keep()

    kept.tracker.intend(hold(managers.Plain))

    assert "Not a directory" in kept.told[0]
    assert ledger.left_behind() == []


def test_a_read_only_folder_is_told_and_harms_nothing(keep, open_folder, request):
    before = keep()
    before.tracker.intend(hold(managers.Plain))
    before.session.close()
    folder = ledger_path().parent
    folder.chmod(0o555)
    ledger_path().chmod(0o444)
    request.getfixturevalue("as_nobody")
    kept = keep()

    kept.tracker.intend(hold(managers.Folder))

    assert len(kept.told) == 1
    assert str(ledger_path()) in kept.told[0]
    assert ledger.left_behind() == []


def test_a_newer_ledger_is_left_untouched(keep):
    older = keep()
    older.tracker.intend(hold(managers.Plain))
    older.session.close()
    with sqlite3.connect(ledger_path()) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    before = ledger_path().read_bytes()
    kept = keep()

    kept.tracker.intend(hold(managers.Folder))

    assert "newer nbflow" in kept.told[0]
    kept.session.close()
    assert ledger_path().read_bytes() == before
    with pytest.raises(ledger.NewerLedgerError, match="update nbflow"):
        ledger.resources()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:50],
        lambda data: b"this is no database" * 500,
        lambda data: data[:100] + b"\xff" * (len(data) - 100),
        lambda data: data[:100],
    ],
    ids=["cut in the header", "overwritten", "scrambled pages", "cut after the header"],
)
def test_a_damaged_ledger_is_moved_aside_and_never_deleted(keep, damage):
    before = keep()
    before.tracker.intend(hold(managers.Plain))
    before.session.close()
    data = damage(ledger_path().read_bytes())
    ledger_path().write_bytes(data)
    kept = keep()

    set_up(kept)

    assert states() == [("Folder", "open")]
    (aside,) = ledger_path().parent.glob("*damaged*.sqlite3")
    assert aside.read_bytes() == data
    assert aside.name in kept.told[0]


def test_a_ledger_without_its_tables_is_moved_aside(keep):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    with sqlite3.connect(ledger_path()) as db:
        db.execute("DROP TABLE resources")
    db.close()

    set_up(kept)

    assert states() == [("Plain", "intent"), ("Folder", "open")]
    assert "damaged" in kept.told[0]


def test_a_ledger_that_is_truncated_while_in_use_is_begun_again_with_all_that_is_open(keep):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    os.truncate(ledger_path(), 0)
    a_while_later(kept)

    kept.tracker.intend(hold(managers.Folder))

    assert states() == [("Plain", "intent"), ("Folder", "intent")]
    assert "damaged" in kept.told[0]


def test_reading_a_damaged_ledger_changes_nothing(keep):
    ledger_path().parent.mkdir(parents=True)
    ledger_path().write_text("this is no database" * 500)

    with pytest.raises(ledger.DamagedLedgerError, match="moves it aside"):
        ledger.resources()
    assert ledger.left_behind() == []
    assert [path.name for path in ledger_path().parent.iterdir()] == [ledger_path().name]


def test_on_a_full_disk_the_run_goes_on_and_what_has_ended_is_still_written(keep):
    kept = keep()
    first = set_up(kept)
    kept.session._store._db.execute("PRAGMA max_page_count = 1")  # it is larger already: no page more
    others = [hold(managers.Folder, name="x" * 3000) for _ in range(4)]

    for held in others:
        set_up(kept, held=held)
    kept.tracker.closed(first)

    assert len(kept.told) == 1
    assert "full" in kept.told[0]
    kept.session._store._db.execute("PRAGMA max_page_count = 10000")
    kept.tracker.flush()
    assert [row.state for row in ledger.resources()] == ["open"] * len(others)


def test_an_unknown_fault_is_a_warning_too(keep):
    kept = keep()

    kept.tracker.intend(object())

    assert "the run goes on" in kept.told[0]


def test_keeper_of_never_raises(monkeypatch):
    monkeypatch.setenv("NBFLOW_HOME", "~nobody-of-this-name/nbflow")
    held = hold(managers.Plain)

    with pytest.warns(RuntimeWarning, match="not recorded"):
        tracker = tracker_of("example", "run-1")

    tracker.intend(held)
    tracker.failed(held, OSError())
    tracker.flush()


# -- what users' managers do --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (managers.Unhandy, "no idea where"),
        (managers.Objective, "plain data"),
        (managers.Numbered, "a key is no string"),
        (managers.Asking, "staticmethod"),
    ],
)
def test_a_handle_that_is_of_no_use_is_told_and_the_resource_is_recorded(keep, cls, said):
    kept, held = keep(), hold(cls, "somewhere")
    kept.tracker.intend(held)
    held.resource = "somewhere"

    kept.tracker.opened(held)
    kept.tracker.flush()

    assert len(kept.told) == 1
    assert said in kept.told[0]
    assert [(row.state, row.is_reclaimable) for row in ledger.resources()] == [("open", False)]


def test_a_handle_that_is_a_coroutine_is_no_plain_data_and_nothing_else_is_complained_of(keep):
    class Later(managers.Folder):
        async def handle(self, path):
            return path

    kept, held = keep(), hold(Later)
    kept.tracker.intend(held)

    kept.tracker.opened(held)

    assert "coroutine is not plain data" in kept.told[0]


def test_a_class_that_cannot_be_pickled_is_told_and_the_resource_is_recorded(keep):
    lock = threading.Lock()

    class Locking(managers.Folder):
        @staticmethod
        def reclaim(handle):
            with lock:
                pass

    kept, held = keep(), hold(Locking)
    kept.tracker.intend(held)
    held.resource = "somewhere"

    kept.tracker.opened(held)

    assert "can not be sent to another process" in kept.told[0]
    assert [(row.handle, row.is_reclaimable) for row in ledger.resources()] == [("somewhere", False)]


def test_an_interrupt_in_a_handle_is_told_and_the_resource_is_recorded(keep):
    class Interrupted(managers.Folder):
        def handle(self, path):
            raise KeyboardInterrupt

    kept, held = keep(), hold(Interrupted)
    kept.tracker.intend(held)

    kept.tracker.opened(held)
    kept.tracker.flush()

    assert "KeyboardInterrupt" in kept.told[0]
    assert [row.state for row in ledger.resources()] == ["open"]


def test_rule_10_an_interrupt_between_our_own_lines_does_not_keep_a_row_from_being_written(nbflow_home):
    class Interrupted(LedgerSession):
        is_interrupted = True

        def save(self, *args, **options):
            if self.is_interrupted:
                self.is_interrupted = False
                raise KeyboardInterrupt
            return super().save(*args, **options)

    told = []
    session = Interrupted(ledger_path(), Kernel.this())

    LedgerTracker("example", "run-1", session, None, told.append).intend(hold(managers.Plain))

    assert states() == [("Plain", "intent")]
    assert told == []
    session.close()


def test_rule_10_a_row_that_was_written_just_before_an_interrupt_is_not_written_twice(keep):
    kept, held = keep(), hold(managers.Folder, "somewhere")
    kept.tracker.intend(held)
    kept.session.records()[0].is_written = False  # the interrupt came before this was noted
    held.resource = "somewhere"

    kept.tracker.opened(held)

    assert states() == [("Folder", "open")]
    assert kept.told == []


def test_an_early_handle_is_on_disk_before_the_setup_and_replaced_after_it(keep):
    kept, held = keep(), hold(managers.Early, "early")

    kept.tracker.intend(held)
    assert [(row.handle, row.is_reclaimable) for row in ledger.resources()] == [("early", True)]

    held.resource = "late"
    kept.tracker.opened(held)
    assert [(row.handle, row.is_reclaimable) for row in ledger.resources()] == [("late", True)]


# -- threads ------------------------------------------------------------------------------------------------------


def test_runs_in_several_threads_share_one_ledger():
    def run(number):
        tracker = tracker_of("example", f"run-{number}")
        for _ in range(30):
            held = hold_of[number]
            for step in (tracker.intend, tracker.opened, tracker.closing, tracker.closed):
                step(held)
        tracker.intend(held)
        tracker.flush()

    hold_of = [hold(managers.Plain) for _ in range(8)]
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = ledger.resources(all=True)
    assert len(found) == 8 * 31
    assert sorted(row.run for row in found if row.until is None) == [f"run-{number}" for number in range(8)]
