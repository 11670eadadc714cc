"""Owners in other pid namespaces (rule 20): a living one is never reclaimed, what a gone one left can be seen to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow import ledger, processes
from nbflow.ledger import liveness, process_identity
from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.ledger_tracker import LedgerTracker
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel, is_alive, start_of
from nbflow.ledger.process_ledger import process_ledger
from tests.ledger import managers
from tests.ledger.conftest import eventually, hold
from tests.ledger.test_recovery import change

if TYPE_CHECKING:
    from pathlib import Path

BOX = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--uts"]


def can_make_boxes() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*BOX, "--mount-proc", "true"], capture_output=True, check=False).returncode == 0


needs_boxes = pytest.mark.skipif(not can_make_boxes(), reason="this system makes no pid namespaces for tests")


@pytest.fixture
def box(start):
    """Start a process in a container of its own, with a name of its own."""

    def box(name: str, *, own_proc: bool = True):
        flags = ["--mount-proc"] if own_proc else []
        return start(before=[*BOX, *flags, "sh", "-c", f'hostname {name}; exec "$@"', "sh"])

    return box


def set_up(kernel, path: Path) -> None:
    kernel.do(f"set_up(managers.Folder, {str(path)!r})")


def owners(kernel=None) -> list[str]:
    if kernel is None:
        return [row.owner for row in ledger.resources()]
    return kernel.do("from nbflow import ledger\nvalue = [row.owner for row in ledger.resources()]")


def attempt(kernel, call: str) -> str:
    return kernel.do(
        f"from nbflow import ledger\ntry:\n    value = ledger.{call}.state\n"
        "except ledger.LedgerError as error:\n    value = type(error).__name__"
    )


# -- real namespaces ----------------------------------------------------------------------------------------------


@needs_boxes
@pytest.mark.parametrize("name", ["here", "elsewhere"])
def test_rule_20_what_a_living_kernel_of_another_container_holds_is_never_touched(box, tmp_path, name):
    first, second = box("here"), box(name)
    set_up(first, tmp_path / "a")

    assert owners(second) == owners() == ["another kernel"]
    assert second.do("value = [row.id for row in ledger.left_behind()]") == []
    for call in ("clean(1)", "adopt(1)", "forget(1)", "clean(1, gone=True)", "adopt(1, gone=True)"):
        assert attempt(second, call) == "ResourceInUseError"
    assert (tmp_path / "a").exists()


@needs_boxes
@pytest.mark.parametrize("name", ["here", "elsewhere"])
def test_rule_20_what_a_container_that_is_gone_left_is_offered_and_cleaned_in_the_next(box, tmp_path, name):
    first = box("here")
    set_up(first, tmp_path / "a")
    first.kill()  # and its reaper with it
    second = box(name)
    eventually(lambda: owners(second) == ["dead kernel"])

    assert (tmp_path / "a").exists()
    assert second.do("value = [row.id for row in ledger.left_behind()]") == [1]
    assert attempt(second, "clean(1)") == "closed"
    assert not (tmp_path / "a").exists()


@needs_boxes
def test_rule_20_what_a_container_that_is_gone_left_is_adopted_in_the_next(box, tmp_path):
    first = box("here")
    set_up(first, tmp_path / "a")
    first.kill()
    second = box("elsewhere")
    eventually(lambda: owners(second) == ["dead kernel"])

    assert attempt(second, "adopt(1)") == "open"
    assert owners(second) == ["this kernel"]
    assert owners() == ["another kernel"]


@needs_boxes
def test_rule_20_a_kernel_whose_proc_is_the_machines_is_not_taken_for_dead_by_its_reaper(box, tmp_path):
    kernel = box("here", own_proc=False)
    for name in "abc":  # the reaper looks before it reads the next one, and answers
        set_up(kernel, tmp_path / name)

    assert kernel.warnings == []
    assert (tmp_path / "a").exists()
    assert owners() == ["another kernel"] * 3


# -- what is known, and how ---------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path):
    """What a kernel of another pid namespace on this machine holds; `lock` is held as long as that kernel lives."""
    token = "other"
    code = (
        "import sys; from pathlib import Path; from nbflow.ledger import liveness\n"
        "print(liveness.hold(Path(sys.argv[1]), sys.argv[2]), flush=True); sys.stdin.read()"
    )
    kernel = Kernel.this()._replace(pid=1, started=1.0, space="pid:[1]")
    session = LedgerSession(ledger_path(), kernel)
    tracker = LedgerTracker("example", "run-1", session, None)
    held = hold(managers.Folder, str(tmp_path / "a"))
    tracker.intend(held)
    held.resource = held.manager.setup()
    tracker.opened(held)
    session.close()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ledger_path()), token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lock = process.stdout.readline().strip()
        change("UPDATE kernels SET lock = ?", lock)
        yield process
        process.kill()


def end(process) -> None:
    process.kill()
    process.wait()


def test_rule_20_the_lock_says_whether_a_kernel_of_another_namespace_is_alive(other, tmp_path):
    assert owners() == ["another kernel"]
    with pytest.raises(ledger.ResourceInUseError):
        ledger.clean(1, gone=True)

    end(other)

    assert owners() == ["dead kernel"]
    assert ledger.clean(1).state == "closed"
    assert not (tmp_path / "a").exists()


def test_rule_20_a_namespace_whose_id_was_given_again_is_told_by_its_lock(other, tmp_path):
    """The kernel gives the id of a namespace that is gone to the next one, whose container has another name."""
    change("UPDATE kernels SET space = ?, host = 'a1b2c3'", Kernel.this().space)
    assert owners() == ["another kernel"]

    end(other)

    assert owners() == ["dead kernel"]
    assert ledger.clean(1).state == "closed"


def test_rule_20_a_lock_file_that_is_another_one_says_nothing(other):
    """Through another mount, or when the folder was copied, a lock that is held may look free."""
    end(other)
    path = next(ledger_path().parent.glob("alive-other.lock"))
    path.rename(path.with_name("kept"))
    path.touch()

    assert owners() == ["another container"]


def test_rule_20_where_nothing_is_known_the_users_word_is_needed(other, tmp_path):
    end(other)
    change("UPDATE kernels SET lock = NULL")

    assert owners() == ["another container"]
    assert ledger.left_behind() == []
    for act in (ledger.clean, ledger.adopt):
        with pytest.raises(ledger.ForeignResourceError, match=r"if you know that it is gone, .*gone=True"):
            act(1)
    assert (tmp_path / "a").exists()
    assert ledger.clean(1, gone=True).state == "closed"
    assert not (tmp_path / "a").exists()


def test_rule_20_a_container_of_an_earlier_boot_is_another_one_until_the_user_says_that_it_is_gone(other):
    end(other)
    change("UPDATE kernels SET boot = 'of yesterday', host = 'a1b2c3', machine = ''")

    assert owners() == ["another container"]
    assert ledger.clean(1, gone=True).state == "closed"


def test_rule_20_a_row_of_an_nbflow_that_knew_no_namespaces_is_not_taken_for_a_dead_kernels(other):
    change("UPDATE kernels SET space = '', lock = NULL")

    assert owners() == ["another container"]


def test_rule_20_the_reaper_of_another_namespace_is_seen_by_its_lock(other):
    end(other)
    change("UPDATE kernels SET reaper_pid = 2, reaper_started = 2.0")
    assert [row.note for row in ledger.left_behind()] == [""]

    liveness.hold_as_reaper(ledger_path(), "other")

    assert ledger.left_behind() == []
    with pytest.raises(ledger.ResourceInUseError, match="reaper of its kernel"):
        ledger.clean(1)
    liveness.let_go(ledger_path(), "other.reaper")


def test_rule_20_a_forked_child_that_outlives_its_kernel_does_not_hold_its_lock(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    child = kernel.do(
        "import os, time\npid = os.fork()\nif pid == 0:\n    os.closerange(0, 3)\n    time.sleep(600)\nvalue = pid"
    )
    lock = process_ledger().session().read(lambda store: store.open_rows())[0].lock
    assert liveness.is_held(ledger_path(), lock) is True

    kernel.kill()

    eventually(lambda: liveness.is_held(ledger_path(), lock) is False)
    assert is_alive(child, start_of(child))
    os.kill(child, 9)


def test_rule_20_a_ledger_that_rests_does_not_make_its_kernel_look_dead(kernel, tmp_path, monkeypatch):
    set_up(kernel, tmp_path / "a")
    kernel.do(
        "import os\nfrom nbflow.ledger.process_ledger import process_ledger\nhome = os.environ['NBFLOW_HOME']\n"
        "for name in '123':\n    os.environ['NBFLOW_HOME'] = home + name\n    process_ledger().session()\n"
    )
    change("UPDATE kernels SET space = 'pid:[1]'")
    assert owners() == ["another container"]

    kernel.do(f"os.environ['NBFLOW_HOME'] = home\nset_up(managers.Folder, {str(tmp_path / 'b')!r})")

    change("UPDATE kernels SET space = 'pid:[1]'")
    assert owners()[-1] == "another kernel"


def test_rule_20_start_times_are_not_read_from_the_proc_of_another_namespace(monkeypatch):
    monkeypatch.setattr(processes, "has_proc", lambda: False)

    assert start_of(os.getpid()) == process_identity.UNKNOWN
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
        assert start_of(gone.pid) is None
