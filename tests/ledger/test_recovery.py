"""What the next kernel does about what was left: list, clean, adopt, forget, and what it refuses to touch."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbflow import ledger
from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.ledger_tracker import LedgerTracker, tracker_of
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel, is_alive, start_of
from nbflow.ledger.process_ledger import process_ledger
from tests.ledger import managers
from tests.ledger.conftest import eventually, hold, log_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def left(tmp_path):
    """What a process without a reaper has left that is dead now: a folder, one that stays, and a thing."""
    with subprocess.Popen(["sleep", "60"]) as other:
        kernel = Kernel.this()._replace(pid=other.pid, started=start_of(other.pid))
        other.kill()
    session = LedgerSession(ledger_path(), kernel)
    tracker = LedgerTracker("example", "run-1", session, None)
    for cls in (managers.Folder, managers.Plain, managers.Refusing):
        held = hold(cls, str(tmp_path / cls.__name__), cleanup_timeout_s=5)
        tracker.intend(held)
        held.resource = held.manager.setup()
        tracker.opened(held)
    tracker.flush()
    session.close()
    return {row.block: row for row in ledger.resources()}


@pytest.fixture
def own(tmp_path):
    """Set a resource of this process up; returns its holding and its row."""
    tracker = tracker_of("example", "run-1")

    def own(cls, name="own"):
        held = hold(cls, str(tmp_path / name))
        tracker.intend(held)
        held.resource = held.manager.setup()
        tracker.opened(held)
        return held, ledger.resources()[-1], tracker

    return own


def change(sql, *values):
    """Write into the file what only another user, host or time could have written."""
    with sqlite3.connect(ledger_path()) as db:
        db.execute(sql, values)
    db.close()


# -- the list -----------------------------------------------------------------------------------------------------


def test_without_a_ledger_nothing_is_listed_and_none_is_made():
    assert ledger.resources() == []
    assert ledger.resources(all=True) == []
    assert ledger.left_behind() == []
    assert not ledger_path().parent.exists()


def test_rule_12_the_next_kernel_says_what_a_dead_one_may_have_left(left, tmp_path):
    assert [row.block for row in ledger.left_behind()] == ["Folder", "Plain", "Refusing"]
    row = left["Folder"]
    assert (row.flow, row.run, row.manager, row.state) == ("example", "run-1", "Folder", "open")
    assert (row.owner, row.is_reclaimable, row.handle) == ("dead kernel", True, str(tmp_path / "Folder"))
    assert row.until is None
    assert row.host == os.uname().nodename
    assert not left["Plain"].is_reclaimable


def test_what_this_kernel_holds_is_listed_and_was_not_left_behind(own):
    _, row, _ = own(managers.Plain)

    assert (row.owner, row.pid) == ("this kernel", os.getpid())
    assert ledger.left_behind() == []


def test_what_ended_is_listed_only_when_asked_for(own):
    held, _, tracker = own(managers.Plain)
    tracker.closed(held)

    assert ledger.resources() == []
    assert [row.state for row in ledger.resources(all=True)] == ["closed"]


def test_a_pid_that_another_process_has_now_is_a_dead_kernel(left):
    with subprocess.Popen(["sleep", "60"]) as other:
        # Started a second earlier, since two processes may start within one tick of the system's clock.
        change("UPDATE kernels SET pid = ?, started = ?", other.pid, start_of(other.pid) - 1)

        assert {row.owner for row in ledger.resources()} == {"dead kernel"}
        change("UPDATE kernels SET started = ?", start_of(other.pid))
        assert {row.owner for row in ledger.resources()} == {"another kernel"}
        other.kill()


def test_a_clock_that_was_set_changes_nothing_about_who_is_alive(own):
    own(managers.Plain)
    change("UPDATE resources SET since = since + 1e6")

    assert [row.owner for row in ledger.resources()] == ["this kernel"]


def test_after_a_reboot_every_kernel_is_dead(own):
    own(managers.Plain)
    change("UPDATE kernels SET boot = 'of yesterday'")

    assert [row.owner for row in ledger.resources()] == ["dead kernel"]


def test_what_a_reaper_is_about_to_reclaim_was_not_left_behind(kernel, tmp_path):
    kernel.do(f"set_up(managers.Hanging, {str(tmp_path / 'a')!r}, deadline_s=30)")
    reaper = kernel.reaper
    kernel.kill()
    eventually(lambda: log_of(tmp_path) == ["hanging a"])

    assert ledger.left_behind() == []
    (row,) = ledger.resources()
    assert (row.owner, row.note) == ("dead kernel", "its reaper is at work")
    for act in (ledger.clean, ledger.adopt, ledger.forget):
        with pytest.raises(ledger.ResourceInUseError, match="reaper of its kernel"):
            act(row.id)
    for child in reaper.children():
        child.kill()
    eventually(lambda: not is_alive(reaper.pid, 0.0))
    assert [row.state for row in ledger.left_behind()] == ["failed"]


def test_a_ledger_that_was_removed_lists_what_this_kernel_holds(own):
    own(managers.Plain)
    for path in ledger_path().parent.iterdir():
        path.unlink()

    assert [row.state for row in ledger.resources()] == ["open"]
    with pytest.warns(RuntimeWarning, match="removed while it was in use"):
        own(managers.Plain, "second")


# -- clean --------------------------------------------------------------------------------------------------------


def test_clean_reclaims_what_a_dead_kernel_left(left, tmp_path):
    row = ledger.clean(left["Folder"].id)

    assert not (tmp_path / "Folder").exists()
    assert row.state == "closed"
    assert row.until is not None
    assert [one.block for one in ledger.left_behind()] == ["Plain", "Refusing"]


def test_cleaning_twice_is_cleaning_once(left, tmp_path):
    ledger.clean(left["Folder"].id)

    assert ledger.clean(left["Folder"].id).state == "closed"
    assert log_of(tmp_path) == ["reclaimed Folder"]


def test_clean_names_what_cannot_be_reclaimed_and_the_remedy(left):
    with pytest.raises(ledger.NotReclaimableError, match=rf"'Plain' of flow.*forget\({left['Plain'].id}\)"):
        ledger.clean(left["Plain"].id)


def test_rule_7_a_reclaim_that_fails_is_told_stays_listed_and_can_be_tried_again(left, tmp_path):
    for _ in range(2):
        with pytest.raises(ledger.ReclaimError, match="no rights to remove Refusing"):
            ledger.clean(left["Refusing"].id)

    row = ledger.resources()[-1]
    assert (row.state, row.until, row.owner) == ("failed", None, "this kernel")
    assert "no rights" in row.note


def test_clean_of_a_number_that_there_is_not_names_the_ledger(own):
    own(managers.Plain)

    with pytest.raises(ledger.UnknownResourceError, match="has no resource 4711"):
        ledger.clean(4711)
    with pytest.raises(KeyError):
        ledger.forget(4711)


def test_clean_without_a_ledger_makes_none():
    with pytest.raises(ledger.UnknownResourceError):
        ledger.clean(1)

    assert not ledger_path().exists()


def test_two_kernels_cannot_both_see_to_one_row(left):
    session = process_ledger().session()
    first, second = (process_ledger().kernel._replace(pid=pid) for pid in (1, 2))
    row = session.read(lambda store: store.open_rows())[0]

    took = [session.use(lambda store, kernel=kernel: store.hand_over(row, kernel), print) for kernel in (first, second)]

    assert took == [True, False]


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [ledger.clean, ledger.adopt, ledger.forget])
def test_what_a_run_of_this_kernel_holds_is_refused(own, act, tmp_path):
    _, row, _ = own(managers.Plain)

    with pytest.raises(ledger.ResourceInUseError):
        act(row.id)
    assert [one.state for one in ledger.resources()] == ["open"]


@pytest.mark.parametrize("act", [ledger.clean, ledger.adopt, ledger.forget])
def test_what_another_living_kernel_holds_is_refused(kernel, act, tmp_path):
    kernel.do(f"set_up(managers.Folder, {str(tmp_path / 'a')!r})")
    (row,) = ledger.resources()

    with pytest.raises(ledger.ResourceInUseError, match=f"process {kernel.pid}.*end that kernel"):
        act(row.id)
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("act", [ledger.clean, ledger.adopt])
def test_rows_of_another_host_are_refused_and_never_unpickled(left, act, tmp_path):
    change("UPDATE kernels SET host = 'elsewhere'")
    change("UPDATE resources SET code = ?", bomb(tmp_path))

    with pytest.raises(ledger.ForeignResourceError, match="'elsewhere'"):
        act(left["Folder"].id)
    assert {row.owner for row in ledger.resources()} == {"another host"}
    assert not (tmp_path / "boom").exists()


def test_a_row_of_another_host_can_be_forgotten(left):
    change("UPDATE kernels SET host = 'elsewhere'")

    assert ledger.forget(left["Folder"].id).state == "closed"


@pytest.mark.parametrize("act", [ledger.clean, ledger.adopt, ledger.forget])
def test_rows_of_another_user_are_refused_and_never_unpickled(left, act, tmp_path):
    change("UPDATE kernels SET user = user + 1")
    change("UPDATE resources SET code = ?", bomb(tmp_path))

    with pytest.raises(ledger.ForeignResourceError, match="another user"):
        act(left["Folder"].id)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("which", [ledger_path, lambda: ledger_path().parent], ids=["file", "folder"])
def test_a_ledger_that_others_can_write_to_is_never_unpickled(left, which, tmp_path):
    change("UPDATE resources SET code = ?", bomb(tmp_path))
    ledger.resources()
    which().chmod(0o777)

    with pytest.raises(ledger.ForeignResourceError, match="others can write"):
        ledger.clean(left["Folder"].id)
    assert not (tmp_path / "boom").exists()


def bomb(folder: Path) -> str:
    """Code that would leave a trace if it were loaded."""
    import base64
    import json
    import pickle

    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / "boom"), "w"))

    return json.dumps({"pickle": base64.b64encode(pickle.dumps(Bomb())).decode(), "deadline_s": 5})


# -- adopt and forget ---------------------------------------------------------------------------------------------


def test_what_was_adopted_is_this_kernels_and_is_reclaimed_when_it_dies(left, kernel, tmp_path):
    kernel.do(f"from nbflow import ledger\nvalue = ledger.adopt({left['Folder'].id}).owner")
    (row,) = [row for row in ledger.resources() if row.block == "Folder"]
    assert (row.owner, row.pid, row.state) == ("another kernel", kernel.pid, "open")
    assert (tmp_path / "Folder").exists()

    kernel.kill()

    eventually(lambda: not (tmp_path / "Folder").exists())
    eventually(lambda: "Folder" not in [row.block for row in ledger.resources()])


def test_what_was_adopted_can_be_cleaned_and_is_not_reclaimed_again(left, kernel, tmp_path):
    kernel.do(f"from nbflow import ledger\nledger.adopt({left['Folder'].id})")

    assert kernel.do(f"value = ledger.clean({left['Folder'].id}).state") == "closed"
    reaper = kernel.reaper
    kernel.kill()
    eventually(lambda: not is_alive(reaper.pid, 0.0))

    assert log_of(tmp_path) == ["reclaimed Folder"]


def test_adopting_twice_is_adopting_once(left, kernel):
    code = f"from nbflow import ledger\nvalue = [ledger.adopt({left['Folder'].id}).owner for _ in range(2)]"

    assert kernel.do(code) == ["this kernel", "this kernel"]


def test_what_could_not_be_cleaned_can_still_be_adopted(left, kernel):
    code = f"""
from nbflow import ledger
try:
    ledger.clean({left["Refusing"].id})
except ledger.ReclaimError:
    pass
ledger.adopt({left["Refusing"].id})
value = len(process_ledger().reaper._jobs)
"""
    kernel.do("from nbflow.ledger.process_ledger import process_ledger")

    assert kernel.do(code) == 1


def test_what_has_no_handle_cannot_be_adopted(left):
    with pytest.raises(ledger.NotReclaimableError):
        ledger.adopt(left["Plain"].id)


def test_without_a_reaper_nothing_can_be_adopted(left, monkeypatch):
    monkeypatch.setenv("NBFLOW_REAPER", "0")

    with pytest.raises(ledger.ReaperError, match="NBFLOW_REAPER"):
        ledger.adopt(left["Folder"].id)
    assert ledger.left_behind()[0].owner == "dead kernel"


def test_forget_takes_a_row_off_the_list_and_touches_nothing(left, tmp_path):
    row = ledger.forget(left["Folder"].id)

    assert (row.state, row.note) == ("closed", "forgotten by the user")
    assert (tmp_path / "Folder").exists()
    assert [one.block for one in ledger.left_behind()] == ["Plain", "Refusing"]


def test_what_this_kernel_failed_to_clean_can_be_forgotten(own):
    held, row, tracker = own(managers.Plain)
    tracker.failed(held, OSError("busy"))

    ledger.forget(row.id)

    assert ledger.resources() == []


def test_a_ledger_of_many_tests_does_not_keep_files_open(monkeypatch, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / str(number)))
        tracker_of("example", "run-1").intend(hold(managers.Plain))

    assert len(os.listdir("/proc/self/fd")) < before + 15
