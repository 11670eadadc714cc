"""The reaper: kernels are really killed, and every way of dying is told apart from being alive (rules 10 and 12)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nbflow import ledger
from nbflow.ledger import reaper_client as client_module
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import UNKNOWN, Kernel, is_alive, start_of
from nbflow.ledger.reaper_client import ReaperClient
from tests.ledger import managers
from tests.ledger.conftest import eventually, hold, log_of
from tests.patience import PATIENCE_S


def gone(*paths: Path) -> bool:
    return not any(path.exists() for path in paths)


def ended(reaper: psutil.Process) -> None:
    eventually(lambda: not is_alive(reaper.pid, UNKNOWN))  # who should wait for it may not


def set_up(kernel, path, cls="managers.Folder", **options):
    kernel.do(f"set_up({cls}, {str(path)!r}, **{options!r})")


def all_rows():
    return {row.block: row for row in ledger.resources(all=True)}


# -- rule 12: a dead kernel ---------------------------------------------------------------------------------------


def test_rule_12_what_a_killed_kernel_held_is_reclaimed_and_the_ledger_says_so(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))
    ended(reaper)
    (row,) = ledger.resources(all=True)
    assert row.state == "closed"
    assert row.until is not None
    assert "reclaimed by the reaper" in row.note
    assert ledger.left_behind() == []


def test_rule_12_last_in_is_first_out(kernel, tmp_path):
    for name in ("first", "second", "third"):
        set_up(kernel, tmp_path / name)

    kernel.kill()

    eventually(lambda: len(log_of(tmp_path)) == 3)
    assert log_of(tmp_path) == ["reclaimed third", "reclaimed second", "reclaimed first"]


def test_rule_12_the_pid_of_a_kernel_that_nobody_has_waited_for_counts_as_dead(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")

    kernel.kill(reap=False)

    eventually(lambda: gone(tmp_path / "a"))
    assert psutil.Process(kernel.pid).status() == psutil.STATUS_ZOMBIE


def test_rule_12_a_child_that_holds_the_pipe_open_does_not_hide_the_death(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    pipe = kernel.do("from nbflow.ledger.process_ledger import process_ledger\nvalue = process_ledger().reaper._inlet")
    child = kernel.do(
        "import subprocess\n"
        f"child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, pass_fds=[{pipe}])\n"
        "value = child.pid"
    )

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))
    assert psutil.pid_exists(child)
    os.kill(child, signal.SIGKILL)


def test_rule_12_a_class_of_the_notebook_is_reclaimed(kernel, tmp_path):
    kernel.do("import shutil, os")
    kernel.do(
        "def remove(path):\n    managers.note(path, 'reclaimed')\n    shutil.rmtree(path)\n"
        "lock = __import__('threading').Lock()\n"
        "class Mine(managers.Folder):\n"
        "    def setup(self):\n        with lock:\n            return super().setup()\n"
        "    @staticmethod\n    def reclaim(handle):\n        remove(handle)\n"
    )
    set_up(kernel, tmp_path / "a", "Mine")
    assert kernel.warnings == []

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))


@pytest.mark.parametrize("cls", ["managers.Decorated.resource_class", "managers.OnlyDecorated.resource_class"])
def test_rule_12_a_class_that_its_module_has_only_decorated_is_reclaimed(kernel, tmp_path, cls):
    set_up(kernel, tmp_path / "a", cls)
    assert "import" in kernel.do("import json\nvalue = json.loads(list(tracker._records.values())[0].code)")

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))


def test_rule_12_a_reclaim_that_hangs_is_stopped_and_the_next_has_its_turn(kernel, tmp_path):
    set_up(kernel, tmp_path / "outer")
    set_up(kernel, tmp_path / "inner", "managers.Hanging", deadline_s=0.5)

    kernel.kill()

    eventually(lambda: gone(tmp_path / "outer"))
    eventually(lambda: "took longer than 0.5 s" in all_rows()["Hanging"].note)
    assert all_rows()["Hanging"].until is None


def test_rule_12_a_reclaim_that_raises_stays_in_the_ledger_and_the_next_has_its_turn(kernel, tmp_path):
    set_up(kernel, tmp_path / "outer")
    set_up(kernel, tmp_path / "inner", "managers.Refusing")
    reaper = kernel.reaper

    kernel.kill()

    eventually(lambda: gone(tmp_path / "outer"))
    ended(reaper)
    (row,) = ledger.left_behind()
    assert (row.state, row.owner, row.is_reclaimable) == ("failed", "dead kernel", True)
    assert "no rights to remove inner" in row.note


def test_rule_12_a_kernel_that_dies_in_the_middle_of_a_setup_leaves_nothing_with_an_early_handle(kernel, tmp_path):
    path = tmp_path / "a"
    kernel.do(f"one = hold(managers.Early, {str(path)!r})\ntracker.intend(one)\none.manager.setup()")

    kernel.kill()

    eventually(lambda: gone(path))


def test_rule_12_what_was_cleaned_up_is_not_reclaimed(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    set_up(kernel, tmp_path / "b")
    kernel.do(f"clean_up({str(tmp_path / 'b')!r})")

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))
    assert log_of(tmp_path) == ["cleaned b", "reclaimed a"]


def test_rule_12_an_end_that_the_kernel_could_not_write_is_written_by_the_reaper(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper
    kernel.do(
        "from nbflow.ledger.process_ledger import process_ledger\n"
        "process_ledger().reaper.release(list(tracker._records.values())[0].key)"
    )

    kernel.kill()

    ended(reaper)
    (row,) = ledger.resources(all=True)
    assert (row.state, log_of(tmp_path)) == ("closed", [])


def test_rule_7_what_a_cleanup_failed_for_is_reclaimed_when_the_kernel_ends(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    kernel.do("tracker.failed(list(held.values())[0], OSError('busy'))")
    assert not gone(tmp_path / "a")

    kernel.end()

    eventually(lambda: gone(tmp_path / "a"))


def test_rule_6_what_was_given_up_is_reclaimed_while_the_kernel_lives_and_nothing_else_is(kernel, tmp_path):
    set_up(kernel, tmp_path / "kept")
    set_up(kernel, tmp_path / "given up")

    kernel.do("tracker.abandoned(list(held.values())[1])")

    eventually(lambda: gone(tmp_path / "given up"))
    eventually(lambda: len(ledger.resources()) == 1)
    assert not gone(tmp_path / "kept")
    assert log_of(tmp_path) == ["reclaimed given up"]


def test_rule_6_a_reaper_that_has_reclaimed_for_a_living_kernel_ends_with_it(kernel, tmp_path):
    set_up(kernel, tmp_path / "given up")
    set_up(kernel, tmp_path / "kept")
    kernel.do("tracker.abandoned(list(held.values())[0])")
    eventually(lambda: gone(tmp_path / "given up"))
    reaper = kernel.reaper

    kernel.end()

    ended(reaper)
    assert log_of(tmp_path) == ["reclaimed given up", "reclaimed kept"]


def test_rule_6_while_one_is_reclaimed_that_was_given_up_others_are_still_registered(kernel, tmp_path):
    set_up(kernel, tmp_path / "slow", "managers.Hanging", deadline_s=60)
    kernel.do("tracker.abandoned(list(held.values())[0])")
    eventually(lambda: log_of(tmp_path) == ["hanging slow"])

    set_up(kernel, tmp_path / "other")

    assert kernel.warnings == []
    for one in kernel.reaper.children():
        one.kill()


def test_rule_12_one_reclaim_that_hangs_delays_no_other_inside_or_around(kernel, tmp_path):
    """Blocks in one another, as a run has them: the one inside hangs for far longer than this test waits."""
    for name in "ab":
        set_up(kernel, tmp_path / name)
    kernel.do(NESTED)
    kernel.do(
        f"for name, cls in (('outer', managers.Folder), ('inner', managers.Hanging)):\n"
        f"    set_up_nested(cls, {str(tmp_path)!r}, name)"
    )
    reaper = kernel.reaper

    kernel.kill()

    eventually(lambda: gone(tmp_path / "outer", tmp_path / "a", tmp_path / "b"))
    assert "inner" in [path.name for path in tmp_path.iterdir()]
    for one in reaper.children():
        one.kill()
    ended(reaper)


def test_rule_4_what_a_killed_kernel_held_in_nested_blocks_is_reclaimed_from_inside_out(kernel, tmp_path):
    kernel.do(NESTED)
    for name, cls in (("outer", "Folder"), ("inner", "Early")):  # of two classes, which have two processes
        kernel.do(f"set_up_nested(managers.{cls}, {str(tmp_path)!r}, {name!r})")

    kernel.kill()

    eventually(lambda: gone(tmp_path / "outer"))
    assert log_of(tmp_path) == ["reclaimed inner", "reclaimed outer"]


NESTED = """
from contextlib import ExitStack
from nbflow.engine.open_resources import OpenResource

flow = Flow("nested")
stack = ExitStack()
stack.enter_context(flow)

def set_up_nested(cls, folder, name):
    block = resource_manager(cls, name=name, cleanup_timeout_s=600)("?")
    stack.enter_context(block)
    one = OpenResource(block, -1)
    one.manager = cls(folder + "/" + name)
    held[name] = one
    tracker.intend(one)
    one.resource = one.manager.setup()
    tracker.opened(one)
"""


def test_rule_12_a_locked_ledger_delays_no_reclaim_and_is_written_when_it_is_free(kernel, tmp_path):
    for name in "abc":
        set_up(kernel, tmp_path / name)
    reaper = kernel.reaper
    lock = sqlite3.connect(ledger_path(), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    kernel.kill()

    eventually(lambda: gone(*(tmp_path / name for name in "abc")))
    assert [row.state for row in ledger.resources()] == ["open"] * 3
    lock.execute("ROLLBACK")
    lock.close()
    ended(reaper)
    assert [row.state for row in ledger.resources(all=True)] == ["closed"] * 3


def test_what_many_registrations_share_is_sent_to_the_reaper_once(keep, tmp_path, monkeypatch):
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)
    sent, send = [], client._send
    monkeypatch.setattr(client, "_send", lambda message, **options: sent.append(message) or send(message, **options))
    kept = keep(client)

    for name in "abc":
        register(kept, tmp_path / name)
    monkeypatch.setenv("ANOTHER", "one")
    register(kept, tmp_path / "d")

    told = [message["op"] for message in sent]
    assert told == ["kernel", "env", "code", *["register"] * 3, "env", "register"]
    finish(client, kept)


# -- what is alive is never touched -------------------------------------------------------------------------------


def test_a_living_kernels_resources_are_not_touched_when_the_pipe_ends(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper

    kernel.do("import os\nos.close(process_ledger().reaper._inlet)")

    before = reaper.cpu_times().user + reaper.cpu_times().system
    eventually(lambda: reaper.cpu_times().user + reaper.cpu_times().system > before)  # it looks again and again
    assert not gone(tmp_path / "a")
    kernel.kill()
    eventually(lambda: gone(tmp_path / "a"))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_do_not_end_the_reaper_while_the_kernel_lives(kernel, tmp_path, name):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper
    reaper.send_signal(getattr(signal, name))

    set_up(kernel, tmp_path / "b")  # which the reaper has to answer

    assert kernel.warnings == []
    assert kernel.reaper == reaper
    kernel.kill()
    eventually(lambda: gone(tmp_path / "a", tmp_path / "b"))


def test_the_reaper_is_no_member_of_the_kernels_process_group(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper

    assert os.getpgid(reaper.pid) == reaper.pid
    assert os.getsid(reaper.pid) == reaper.pid


def test_a_reaper_that_has_nothing_to_watch_ends_with_its_kernel(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    reaper = kernel.reaper
    kernel.do(f"clean_up({str(tmp_path / 'a')!r})")

    kernel.end()

    ended(reaper)
    assert [row.state for row in ledger.resources(all=True)] == ["closed"]
    assert log_of(tmp_path) == ["cleaned a"]


def test_a_forked_child_does_not_speak_to_the_reaper_of_its_parent(kernel, tmp_path):
    set_up(kernel, tmp_path / "parent")
    code = f"""
import os, time
from nbflow.ledger.process_ledger import process_ledger
parents = process_ledger()
pid = os.fork()
if pid == 0:
    import signal
    tracker = tracker_of("example", "run-of-child")
    held.clear()
    set_up(managers.Folder, {str(tmp_path / "child")!r})
    fine = process_ledger() is not parents and process_ledger().kernel.pid == os.getpid()
    os._exit(0 if fine and process_ledger().reaper.process != parents.reaper.process else 3)
value = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
    assert kernel.do(code) == 0

    eventually(lambda: gone(tmp_path / "child"))
    assert not gone(tmp_path / "parent")
    set_up(kernel, tmp_path / "parent's second")
    assert kernel.warnings == []
    kernel.kill()
    eventually(lambda: gone(tmp_path / "parent", tmp_path / "parent's second"))


def test_two_kernels_share_a_ledger_and_each_has_its_own_reaper(start, tmp_path):
    first, second = start(), start()
    set_up(first, tmp_path / "first")
    set_up(second, tmp_path / "second")

    first.kill()

    eventually(lambda: len(ledger.resources()) == 1)
    assert gone(tmp_path / "first")
    assert not gone(tmp_path / "second")
    assert [(row.owner, row.pid) for row in ledger.resources()] == [("another kernel", second.pid)]


# -- the reaper's own faults --------------------------------------------------------------------------------------


def test_a_reaper_that_was_killed_is_replaced_with_all_that_is_open_and_this_is_said(kernel, tmp_path):
    set_up(kernel, tmp_path / "a")
    old = kernel.reaper
    old.kill()
    eventually(lambda: not is_alive(old.pid, 0.0))

    set_up(kernel, tmp_path / "b")

    assert any("another one was started" in one for one in kernel.warnings)
    assert kernel.reaper != old
    kernel.kill()
    eventually(lambda: gone(tmp_path / "a", tmp_path / "b"))
    assert log_of(tmp_path) == ["reclaimed b", "reclaimed a"]


def test_a_reaper_that_does_not_answer_is_waited_for_once_and_told_once(keep, tmp_path, monkeypatch):
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)
    kept = keep(client)
    first = register(kept, tmp_path / "a")
    pid = client.process[0]
    os.kill(pid, signal.SIGSTOP)
    client._answer_wait_s = 0.3
    waits_s, wait = [], client_module._wait
    monkeypatch.setattr(client_module, "_wait", lambda *args: waits_s.append(args[-1]) or wait(*args))

    for name in ("b", "c", "d"):
        register(kept, tmp_path / name)

    assert 0.3 <= round(sum(waits_s), 3) < 2 * 0.3
    assert len(kept.told) == 1
    assert "has not answered for 0.3 s" in kept.told[0]
    os.kill(pid, signal.SIGCONT)
    last = client.register(kept.session.records()[-1].job, kept.tracker.tell)
    assert eventually(lambda: client.wait_for(last, kept.tracker.tell))
    assert first is not None
    finish(client, kept)


def test_a_pipe_that_is_full_does_not_block_the_run(keep, tmp_path):
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)
    kept = keep(client)
    register(kept, tmp_path / "a")
    os.kill(client.process[0], signal.SIGSTOP)
    client._answer_wait_s = 0.2

    for number in range(40):
        register(kept, tmp_path / f"{number}", cls=Large)

    assert len(kept.told) == 1  # and was waited for once, see above
    os.kill(client.process[0], signal.SIGCONT)
    last = client.register(kept.session.records()[-1].job, kept.tracker.tell)
    assert eventually(lambda: client.wait_for(last, kept.tracker.tell))
    finish(client, kept)


class Large(managers.Folder):
    """Has a long handle."""

    def handle(self, path):
        return path + "x" * 10_000


@pytest.mark.parametrize(
    "command", [("/nonexistent/python",), (sys.executable, "-c", "pass")], ids=["missing", "ends at once"]
)
def test_a_reaper_that_cannot_be_had_is_told_and_the_row_is_there_for_the_next_kernel(keep, tmp_path, command):
    client = ReaperClient(Kernel.this(), answer_wait_s=1, command=command)
    kept = keep(client)

    register(kept, tmp_path / "a")

    assert any("if this kernel dies" in one for one in kept.told)
    assert [(row.state, row.is_reclaimable) for row in ledger.resources()] == [("open", True)]


def test_NBFLOW_REAPER_0_starts_none_and_the_next_kernel_can_clean(start, tmp_path):
    kernel = start(NBFLOW_REAPER="0")
    set_up(kernel, tmp_path / "a")
    assert (
        kernel.do(
            "from nbflow.ledger.process_ledger import process_ledger\nvalue = repr(process_ledger().reaper.process)"
        )
        == "None"
    )

    kernel.kill()

    (row,) = ledger.left_behind()
    assert ledger.clean(row.id).state == "closed"
    assert gone(tmp_path / "a")


def test_without_a_ledger_the_reaper_reclaims_all_the_same(start, tmp_path):
    (tmp_path / "file").write_text("")
    kernel = start(NBFLOW_HOME=str(tmp_path / "file" / "home"))
    set_up(kernel, tmp_path / "a")
    assert len(kernel.warnings) == 1

    kernel.kill()

    eventually(lambda: gone(tmp_path / "a"))


def test_warnings_as_errors_do_not_break_a_kernel_that_has_a_reaper(start, tmp_path):
    kernel = start("-W", "error")
    set_up(kernel, tmp_path / "a")
    kernel.do(f"clean_up({str(tmp_path / 'a')!r})")

    kernel.end()

    assert kernel.process.returncode == 0


def test_the_first_registration_waits_until_the_reaper_has_answered(keep, tmp_path):
    client = ReaperClient(Kernel.this(), answer_wait_s=PATIENCE_S)  # how long it takes is for the benchmarks
    kept = keep(client)

    register(kept, tmp_path / "a")

    assert client._answered == client._sent == 1
    assert kept.told == []
    finish(client, kept)


def register(kept, path, cls=managers.Folder):
    held = hold(cls, str(path))
    kept.tracker.intend(held)
    held.resource = str(path)
    kept.tracker.opened(held)
    return held


def finish(client, kept):
    """Let the reaper go that watched this very process."""
    for record in kept.session.records():
        client.release(record.key)
    pid = client.process[0]
    client.let_go()
    os.waitpid(pid, 0)


# -- who is who ---------------------------------------------------------------------------------------------------


def test_a_pid_is_the_same_process_only_with_the_same_start_time():
    with subprocess.Popen(["sleep", "60"]) as child:
        started = start_of(child.pid)

        assert is_alive(child.pid, started)
        assert not is_alive(child.pid, started + 0.01)
        child.kill()
        eventually(lambda: not is_alive(child.pid, started))  # a zombie, as nobody has waited for it

    assert start_of(child.pid) is None


def test_start_times_do_not_depend_on_the_clock():
    """A clock that is set moves psutil's times, which count from the epoch; these count from the boot."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])

    assert start_of(os.getpid()) == ticks / os.sysconf("SC_CLK_TCK")


def test_a_process_of_another_boot_is_dead():
    this = Kernel.this()

    assert this.is_alive()
    assert not this._replace(boot="of yesterday").is_alive()
