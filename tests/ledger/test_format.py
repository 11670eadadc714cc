"""The ledger's file: versions, what is kept in it and for how long, and whose folder it may be in."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest

from nbflow import ledger
from nbflow.ledger import ledger_session as session_module
from nbflow.ledger import store as store_module
from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.ledger_tracker import LedgerTracker
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel, start_of
from nbflow.ledger.process_ledger import process_ledger
from nbflow.ledger.schema import MIGRATIONS, VERSION
from nbflow.ledger.store import Store
from tests.ledger import managers
from tests.ledger.conftest import hold

CODE = '{"import": "tests.ledger.managers:Folder", "deadline_s": 20}'
INSERT_1 = (
    "INSERT INTO resources (key, kernel, flow, run, block, manager, state, handle, code, since, until, note) "
    "VALUES (?, 1, 'f', 'r', 'Folder', 'Folder', ?, ?, ?, 1.0, ?, '')"
)
UPDATE_1 = "UPDATE resources SET state = ?, handle = ?, code = ?, until = ?, note = ? WHERE key = ? AND until IS NULL"


def query(sql, *values):
    with sqlite3.connect(ledger_path()) as db:
        found = db.execute(sql, values).fetchall()
    db.close()
    return found


@pytest.fixture
def version_1(tmp_path, monkeypatch):
    """A ledger that an nbflow of version 1 has written, and still has open; its kernel has started with the boot."""
    process_ledger()  # made now at the latest, as it keeps for all tests which kernel it is of
    this = Kernel.this()._replace(space="")
    monkeypatch.setattr(Kernel, "this", classmethod(lambda cls: this))
    ledger_path().parent.mkdir(parents=True, mode=0o700)
    (tmp_path / "a").mkdir()
    db = sqlite3.connect(ledger_path(), isolation_level=None)
    for statement in MIGRATIONS[0]:
        db.execute(statement)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA user_version = 1")
    db.execute(
        "INSERT INTO kernels (pid, started, host, machine, boot, user) VALUES (?, ?, ?, ?, ?, ?)",
        (os.getppid(), start_of(os.getppid()) - 1, this.host, this.machine, this.boot, this.user),
    )
    db.execute(INSERT_1, ("open", "open", f'"{tmp_path / "a"}"', CODE, None))
    db.execute(INSERT_1, ("ended", "closed", '"secret"', CODE, 2.0))
    yield db
    db.close()


# -- versions -----------------------------------------------------------------------------------------------------


def test_a_ledger_of_version_1_is_migrated_with_all_its_rows(version_1):
    rows = ledger.resources(all=True)

    assert [(row.state, row.is_reclaimable) for row in rows] == [("open", True), ("closed", False)]
    assert query("PRAGMA user_version") == [(VERSION,)]


def test_what_an_nbflow_of_version_1_wrote_is_reclaimed(version_1, tmp_path, monkeypatch):
    monkeypatch.setattr(process_ledger(), "kernel", Kernel.this())
    (row,) = ledger.left_behind()

    assert ledger.clean(row.id).state == "closed"
    assert not (tmp_path / "a").exists()


def test_a_kernel_of_version_1_that_has_the_ledger_open_goes_on_writing(version_1):
    Store(ledger_path()).close()

    version_1.execute(INSERT_1, ("later", "intent", None, None, None))
    version_1.execute(UPDATE_1, ("open", '"later"', CODE, None, "", "later"))
    assert [row.state for row in ledger.resources()] == ["open", "open"]
    version_1.execute(UPDATE_1, ("closed", '"later"', CODE, 3.0, "", "later"))

    assert len(ledger.resources()) == 1
    assert query("SELECT handle, code FROM resources WHERE key = 'later'") == [(None, None)]


def test_a_migration_is_made_once_however_many_begin_it(version_1):
    first, second = Store(ledger_path()), Store(ledger_path())
    first.close()
    second.close()

    assert query("PRAGMA user_version") == [(VERSION,)]


# -- what is kept -------------------------------------------------------------------------------------------------


def open_folder(kept, name):
    held = hold(managers.Folder, name)
    kept.tracker.intend(held)
    held.resource = name
    kept.tracker.opened(held)
    return held


def test_neither_handle_nor_code_of_what_has_ended_is_kept(keep):
    kept = keep()
    held = open_folder(kept, "somewhere")
    assert query("SELECT handle, code_id IS NULL FROM resources") == [('"somewhere"', 0)]

    kept.tracker.closed(held)
    kept.tracker.flush()

    assert query("SELECT state, handle, code, code_id FROM resources") == [("closed", None, None, None)]
    assert query("SELECT count(*) FROM codes") == [(0,)]


def test_neither_is_kept_of_what_was_reclaimed_or_forgotten(keep):
    kept = keep()
    for name in "ab":
        open_folder(kept, name)

    kept.session.use(lambda store: store.mark(kept.session.records()[0].key, "closed", 1.0, "reclaimed"), print)
    assert query("SELECT count(*) FROM codes") == [(1,)]
    kept.session.use(lambda store: store.mark_all([(kept.session.records()[1].key, "closed", 1.0, "")]), print)

    assert query("SELECT handle, code_id FROM resources") == [(None, None)] * 2
    assert query("SELECT count(*) FROM codes") == [(0,)]


def test_code_is_written_once_for_a_class(keep):
    kept = keep()
    for number in range(20):
        open_folder(kept, str(number))

    assert query("SELECT count(*) FROM codes") == [(1,)]
    assert all(row.is_reclaimable for row in ledger.resources())


def test_old_rows_go_while_a_kernel_runs(keep, monkeypatch):
    monkeypatch.setattr(session_module, "PRUNE_AFTER", 10)
    monkeypatch.setattr(store_module, "KEPT", 20)
    kept, open_one = keep(), hold(managers.Plain)
    kept.tracker.intend(open_one)
    for _ in range(100):
        held = hold(managers.Plain)
        kept.tracker.intend(held)
        kept.tracker.closed(held)
        kept.tracker.flush()

    assert query("SELECT count(*) FROM resources")[0][0] < 40
    assert [row.state for row in ledger.resources()] == ["intent"]


def test_dead_kernels_of_which_nothing_is_left_are_forgotten_with_their_locks(kernel, start, tmp_path):
    living = start()
    for one in (kernel, living):
        one.do(f"set_up(managers.Plain, {str(tmp_path / 'a')!r})\nclean_up({str(tmp_path / 'a')!r})\ntracker.flush()")
    locks = sorted(ledger_path().parent.glob("alive-*.lock"))
    assert len(locks) == 2
    kernel.end()
    query("DELETE FROM resources")

    third = start()
    third.do(f"set_up(managers.Plain, {str(tmp_path / 'b')!r})\ntracker.flush()")
    third.end()

    pids = [pid for (pid,) in query("SELECT pid FROM kernels")]
    assert sorted(pids) == sorted((living.pid, third.pid))
    left = {path.name.split("-")[1] for path in ledger_path().parent.glob("alive-*.lock")}
    assert left == {str(living.pid), str(third.pid)}


# -- whose folder -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["home", "ledger", "file"])
def test_a_home_that_is_a_link_is_refused_and_nothing_is_written_behind_it(keep, tmp_path, monkeypatch, which):
    home, behind = tmp_path / "home", tmp_path / "behind"
    monkeypatch.setenv("NBFLOW_HOME", str(home))
    behind.mkdir()
    at = {"home": home, "ledger": home / "ledger", "file": ledger_path()}[which]
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(behind if which != "file" else behind / "file")
    kept = keep()

    kept.tracker.intend(hold(managers.Plain))

    assert len(kept.told) == 1
    assert f"{at} is a symbolic link; set NBFLOW_HOME" in kept.told[0]
    assert list(behind.iterdir()) == []


def test_a_link_above_the_home_is_nobodys_business(keep, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / "link" / "home"))
    kept = keep()

    kept.tracker.intend(hold(managers.Plain))

    assert kept.told == []
    assert (tmp_path / "data" / "home" / "ledger").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", ["home", "ledger", "file"])
def test_a_home_of_another_user_is_refused(keep, which):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    kept.session.close()
    at = {"home": ledger_path().parents[1], "ledger": ledger_path().parent, "file": ledger_path()}[which]
    os.chown(at, 65534, 65534)

    again = keep()
    again.tracker.intend(hold(managers.Plain))

    assert f"{at} belongs to another user" in again.told[0]
    with pytest.raises(ledger.LedgerUnavailableError, match="another user"):
        ledger.resources()


# -- a home that several hosts share ------------------------------------------------------------------------------


@pytest.fixture
def shared(keep, tmp_path):
    """A home whose ledger another host has begun, with two folders that may be there; the ledger's file."""
    ledger_file = ledger_path()
    kept = keep()
    for name in "ab":
        open_folder(kept, str(tmp_path / name))
    kept.session._store._db.execute("UPDATE kernels SET host = 'elsewhere', boot = 'another', lock = NULL")
    kept.session.close()
    ledger_file.with_name("host.json").write_text(json.dumps(["another", "elsewhere", "other machine", False]))
    return ledger_file


def test_rule_20_each_host_has_its_own_ledger_in_a_home_that_they_share(shared, keep):
    before = shared.read_bytes()
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    kept.session.close()

    assert ledger_path() != shared
    assert ledger_path().parent == shared.parent
    assert shared.read_bytes() == before
    assert query("SELECT block FROM resources") == [("Plain",)]


def test_rule_20_what_other_hosts_have_is_listed_with_numbers_of_their_own(shared, keep):
    keep().tracker.intend(hold(managers.Plain))

    rows = ledger.resources()

    assert [row.block for row in rows] == ["Folder", "Folder", "Plain"]
    assert [row.owner for row in rows] == ["another host", "another host", "this kernel"]
    assert len({row.id for row in rows}) == 3
    assert ledger.left_behind() == []


def test_rule_20_what_another_host_has_in_a_journal_is_listed_and_keeps_its_number(shared, keep):
    elsewhere = Kernel.this()._replace(host="elsewhere", boot="another")
    session = LedgerSession(shared, elsewhere)
    tracker = LedgerTracker("example", "run-2", session, None)
    for _ in range(2):
        tracker.intend(hold(managers.Plain))
    first, second = [row for row in ledger.resources() if row.block == "Plain"]
    assert (first.owner, first.state) == ("another host", "intent")

    session.close()  # which takes the journal in

    assert ledger.forget(second.id).state == "closed"
    assert [row.block for row in ledger.resources()] == ["Folder", "Folder", "Plain"]


def test_rule_20_what_other_hosts_have_can_be_forgotten_only(shared):
    first, second = ledger.resources()
    for act in (ledger.clean, ledger.adopt):
        with pytest.raises(ledger.ForeignResourceError, match=f"resource {first.id} .*'elsewhere'"):
            act(first.id)

    assert ledger.forget(first.id).state == "closed"
    assert [row.id for row in ledger.resources()] == [second.id]


def test_rule_20_what_a_container_of_an_earlier_boot_left_in_its_own_ledger_is_cleaned_by_the_users_word(
    shared, tmp_path
):
    db = sqlite3.connect(shared)
    db.execute("UPDATE kernels SET space = 'pid:[1]'")
    db.commit()
    db.close()
    (tmp_path / "a").mkdir()
    first, _ = ledger.resources()
    assert first.owner == "another container"

    assert ledger.clean(first.id, gone=True).state == "closed"
    assert not (tmp_path / "a").exists()


def test_rule_20_the_machine_that_has_booted_again_keeps_its_ledger(keep):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    kept.session.close()
    this, claim = Kernel.this(), ledger_path().with_name("host.json")
    claim.write_text(json.dumps(["of yesterday", this.host, this.machine, False]))

    if this.is_in_container:
        assert ledger_path().name != "ledger.sqlite3"
    else:
        keep().tracker.intend(hold(managers.Plain))
        assert ledger_path().name == "ledger.sqlite3"
        assert json.loads(claim.read_text())[0] == this.boot
