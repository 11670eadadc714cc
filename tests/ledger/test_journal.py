"""Journals: rule 10 for what a process has appended, whoever reads it and wherever it was killed."""

from __future__ import annotations

import json
import os
import sqlite3
import threading

import pytest

from nbflow import ledger
from nbflow.ledger import ledger_session as session_module
from nbflow.ledger.journal import Journal
from nbflow.ledger.liveness import hold as hold_lock
from nbflow.ledger.liveness import let_go
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.store import Store
from tests.ledger import managers
from tests.ledger.conftest import eventually, hold


def journals():
    return sorted(ledger_path().parent.glob("*.jsonl"))


def in_file():
    """What the file itself has, without the journals."""
    with sqlite3.connect(ledger_path()) as db:
        found = db.execute("SELECT block, state FROM resources ORDER BY id").fetchall()
    db.close()
    return found


def states():
    return [(row.block, row.state) for row in ledger.resources(all=True)]


def set_up(child, *names, cls="Plain"):
    for name in names:
        child.do(f"set_up(managers.{cls}, {str(name)!r}, name={os.path.basename(name)!r})")


# -- who reads it -------------------------------------------------------------------------------------------------


def test_rule_10_another_process_sees_an_intention_that_is_only_in_a_journal(keep, kernel):
    keep().tracker.intend(hold(managers.Plain))
    assert in_file() == []

    seen = kernel.do(
        "from nbflow import ledger\nvalue = [[row.block, row.state, row.owner] for row in ledger.resources()]"
    )

    assert seen == [["Plain", "intent", "another kernel"]]


def test_rule_10_the_journal_of_a_living_process_is_left_to_it(kernel):
    set_up(kernel, "a")
    assert [block for block, _ in states()] == ["a"]
    assert len(journals()) == 1
    set_up(kernel, "b")
    kernel.do("clean_up('a')\ntracker.flush()")

    assert states() == [("a", "closed"), ("b", "open")]
    assert len(journals()) == 1


def test_rule_10_the_journal_is_folded_and_removed_at_the_end_of_its_process(kernel):
    set_up(kernel, "a")

    kernel.end()

    assert [block for block, _ in in_file()] == ["a"]
    assert journals() == []


def test_only_the_owner_can_look_into_a_journal(keep):
    keep().tracker.intend(hold(managers.Plain))

    (journal,) = journals()
    assert journal.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_has_grown_is_folded_and_begun_again(keep, monkeypatch):
    monkeypatch.setattr(session_module, "FOLD_AFTER", 10)
    monkeypatch.setattr(session_module, "_LONGEST_JOURNAL", 1_000)
    kept = keep()
    names = set()
    for _ in range(100):
        kept.tracker.intend(hold(managers.Plain))
        names.update(path.name for path in journals())
        assert len(journals()) <= 1

    assert len(in_file()) >= 90
    assert len(names) > 1
    assert states() == [("Plain", "intent")] * 100
    with sqlite3.connect(ledger_path()) as db:
        assert db.execute("SELECT count(*) FROM journals").fetchone()[0] <= 2
    db.close()


def test_rule_10_the_handle_of_what_was_intended_in_a_journal_stays(keep):
    kept, held = keep(), hold(managers.Folder, "somewhere")
    kept.tracker.intend(held)
    assert in_file() == []
    held.resource = "somewhere"

    kept.tracker.opened(held)
    kept.tracker.intend(hold(managers.Plain))

    assert [(row.state, row.handle) for row in ledger.resources()] == [
        ("open", "somewhere"),
        ("intent", None),
    ]


def test_what_was_forgotten_does_not_come_back_with_what_its_owner_appends_later(keep):
    kept, held = keep(), hold(managers.Plain)
    kept.tracker.intend(held)
    (record,) = kept.session.records()
    kept.session.use(lambda store: store.mark(record.key, "closed", 1.0, "forgotten"), print)

    kept.tracker.failed(held, OSError("no route"))

    assert states() == [("Plain", "closed")]


# -- wherever it is killed ----------------------------------------------------------------------------------------


def test_rule_10_what_a_process_had_appended_when_it_was_killed_is_listed_as_left(kernel):
    set_up(kernel, "a", "b")
    kernel.do("clean_up('a')\ntracker.flush()")
    kernel.kill()
    assert in_file() == []

    assert [(row.block, row.owner) for row in ledger.left_behind()] == [("b", "dead kernel")]
    assert states()[0] == ("a", "closed")
    assert journals() == []


@pytest.mark.parametrize(
    "where",
    [
        "store.Store._take_in = lambda self, real=store.Store._take_in: (real(self), die())",
        "ledger_session.Journal.end = lambda self: die()",
    ],
    ids=["before the commit", "after the commit"],
)
def test_rule_10_a_process_that_is_killed_while_it_folds_leaves_each_row_once(kernel, where):
    set_up(kernel, "a", "b")
    kernel.do(
        f"import os\nfrom nbflow.ledger import ledger_session, store\ndef die(): os.kill(os.getpid(), 9)\n{where}\n"
    )
    kernel.end()
    assert kernel.process.returncode == -9

    assert [row.block for row in ledger.left_behind()] == ["a", "b"]
    assert [block for block, _ in in_file()] == ["a", "b"]
    assert journals() == []


def test_rule_10_a_line_that_was_cut_off_is_none_and_the_others_count(kernel):
    set_up(kernel, "a")
    kernel.kill()
    (journal,) = journals()
    with journal.open("ab") as file:
        file.write(b'\n[["cut", "intent", null, "", "example", "run')

    assert [row.block for row in ledger.left_behind()] == ["a"]
    assert journals() == []


@pytest.mark.parametrize("is_first", [False, True])
def test_rule_10_what_a_full_disk_has_cut_off_is_told_and_written_with_the_next_line(kernel, is_first):
    set_up(kernel, "a")
    if is_first:
        kernel.do(
            "from nbflow.ledger.process_ledger import process_ledger\n"
            "process_ledger().session()._fold(process_ledger().session()._store)"
        )
    size = sum(journal.stat().st_size for journal in journals())
    kernel.do(
        "import os, resource\nlimits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 20}, limits[1]))\n"
        "set_up(managers.Plain, 'b', name='b')"
    )
    told = kernel.warnings
    kernel.do("resource.setrlimit(resource.RLIMIT_FSIZE, limits)")
    assert len(told) == 1
    assert "its resources are not recorded meanwhile" in told[0]
    assert "b" not in dict(states())

    set_up(kernel, "c")

    assert [block for block, _ in states()] == ["a", "b", "c"]


def test_a_journal_that_was_only_just_made_goes_with_its_process(keep):
    keep().tracker.intend(hold(managers.Plain))
    empty = ledger_path().with_name(f"{ledger_path().name}.token-0.jsonl")
    empty.touch(0o600)
    hold_lock(ledger_path(), "token")

    ledger.resources()
    assert empty.exists()
    let_go(ledger_path(), "token")
    ledger.resources()

    assert not empty.exists()


def test_rule_12_the_reaper_ends_the_row_of_what_was_only_intended_in_a_journal(kernel, tmp_path):
    set_up(kernel, "first")
    lock = sqlite3.connect(ledger_path(), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    set_up(kernel, tmp_path / "a", cls="Folder")  # its handle is with the reaper, and cannot be written
    kernel.kill()
    eventually(lambda: not (tmp_path / "a").exists())

    lock.execute("ROLLBACK")
    lock.close()

    eventually(lambda: ("a", "closed") in states())


# -- several at a time --------------------------------------------------------------------------------------------


def test_rule_10_each_line_is_taken_in_once_however_many_fold_at_a_time(start):
    writer, *readers = (start() for _ in range(3))
    missed = (
        "from nbflow import ledger\nseen, value = set(), []\n"
        "for _ in range(15):\n"
        "    now = {row.block for row in ledger.resources(all=True)}\n"
        "    value += sorted(seen - now)\n"
        "    seen |= now\n"
    )
    write = (
        "for number in range(60):\n"
        "    set_up(managers.Plain, str(number), name=str(number))\n"
        "    clean_up(str(number)) if number % 2 else None\n"
        "tracker.flush()"
    )
    answers = {}
    threads = [
        threading.Thread(target=lambda child=child, code=code: answers.update({child.pid: child.do(code)}))
        for child, code in [(writer, write), *((reader, missed) for reader in readers)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answers[reader.pid] for reader in readers] == [[], []]
    found = states()
    assert [block for block, _ in found] == [str(number) for number in range(60)]
    assert [state == "closed" for _, state in found] == [number % 2 == 1 for number in range(60)]


def test_rule_14_a_forked_child_appends_nothing_to_the_journal_of_its_parent(kernel):
    set_up(kernel, "a")
    (journal,) = journals()
    kernel.do("tracker.flush()")
    before = journal.read_bytes()

    ended = kernel.do(
        "import os\npid = os.fork()\n"
        "if pid == 0:\n"
        "    tracker.intend(hold(managers.Plain, 'b'))\n    tracker.closing(held['a'])\n    tracker.flush()\n"
        "    os._exit(0)\n"
        "value = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )

    assert ended == 0
    assert journals() == [journal]
    assert journal.read_bytes() == before


# -- whose it is --------------------------------------------------------------------------------------------------


@pytest.fixture
def planted(keep):
    """A journal beside the ledger that a process which is dead might have left; what is in it is not ours."""
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    (own,) = journals()
    kernel, lock = json.loads(own.read_text().split("\n")[0])
    planted = own.with_name(f"{ledger_path().name}.planted-0.jsonl")
    change = ["key", "intent", None, "", "example", "run", "planted", "Plain", 1.0]
    planted.write_text(f"{json.dumps([kernel, lock])}\n{json.dumps([change])}\n")
    planted.chmod(0o600)
    return planted


def test_a_journal_of_ours_is_read(planted):
    assert {block for block, _ in states()} == {"Plain", "planted"}


def _link(path):
    path.rename(path.with_name("behind"))
    path.symlink_to("behind")


@pytest.mark.parametrize(
    "make",
    [
        _link,
        lambda path: path.chmod(0o666),
        pytest.param(
            lambda path: os.chown(path, 65534, 65534),
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away"),
        ),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["a link", "others can write it", "another user's", "a pipe"],
)
def test_a_journal_that_others_could_have_written_is_not_read(planted, make):
    make(planted)

    assert states() == [("Plain", "intent")]


def test_a_link_in_the_place_of_our_own_journal_is_not_written_through(keep, tmp_path):
    kept = keep()
    kept.tracker.intend(hold(managers.Plain))
    kept.session.close()
    following = ledger_path().with_name(f"{ledger_path().name}.{kept.session._journal._token}-1.jsonl")
    following.symlink_to(tmp_path / "behind")

    kept.tracker.intend(hold(managers.Plain))

    assert not (tmp_path / "behind").exists()
    assert len(kept.told) <= 1
    kept.tracker.flush()
    assert states() == [("Plain", "intent")] * 2


def test_a_store_that_has_nothing_to_take_in_writes_nothing(keep):
    keep().tracker.intend(hold(managers.Plain))
    store = Store(ledger_path())
    store.fold()
    statements = []
    store._db.set_trace_callback(statements.append)

    store.open_rows()
    store.close()

    assert {one.split()[0] for one in statements} == {"SELECT"}


def test_rule_10_an_interrupt_before_its_first_line_leaves_a_journal_that_can_be_read(keep, monkeypatch):
    kept, held = keep(), hold(managers.Plain)
    begin = Journal._begin

    def interrupted(self):
        begin(self)
        monkeypatch.setattr(Journal, "_begin", begin)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "_begin", interrupted)

    kept.tracker.intend(held)  # which is tried again

    assert [row.state for row in ledger.resources()] == ["intent"]
