"""`%flow resources` in a real shell, with a real ledger that a really killed process has filled."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from nbflow import ledger
from nbflow.notebook.magics.resource_table import table
from tests.patience import PATIENCE_S

CHILD = """
import json, pathlib, shutil, sys, threading
from nbflow import Flow, resource_manager, task

here, flow_name, block_name = pathlib.Path(sys.argv[1]), *json.loads(sys.argv[2])

@resource_manager(name=block_name)
class Folder:
    def __init__(self, name):
        self.path = here / name
    def setup(self):
        self.path.mkdir()
        return self.path
    def cleanup(self, path):
        shutil.rmtree(path)
    def handle(self, path):
        return str(path)
    @staticmethod
    def reclaim(handle):
        shutil.rmtree(handle, ignore_errors=True)

@resource_manager
class Bare:
    def setup(self):
        return "bare"
    def cleanup(self, bare):
        pass

@task
def hold(outer, inner, bare):
    print("holding", flush=True)
    threading.Event().wait()

with Flow(flow_name) as flow:
    with Folder("outer") as outer:
        with Folder("inner") as inner:
            with Bare() as bare:
                hold(outer, inner, bare)
flow.run()
"""
PLAIN = ("example", "Folder")
HOSTILE = ("<img src=x onerror=alert(1)>\x1b[2J\n\u202e", "<script>alert('x')</script>")


@pytest.fixture
def left(notebook, tmp_path):
    """What a killed process has left: two folders that can be reclaimed, and something that cannot."""
    return leave(tmp_path)


def kill_one(tmp_path, names=PLAIN, **environment):
    script = tmp_path / "child.py"
    script.write_text(CHILD, encoding="utf-8")
    arguments = [sys.executable, str(script), str(tmp_path), json.dumps(names)]
    child = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "holding\n"
        child.send_signal(signal.SIGKILL)


def leave(tmp_path, names=PLAIN):
    kill_one(tmp_path, names, NBFLOW_REAPER="0")
    outer, inner, bare = (str(row.id) for row in ledger.resources())
    return SimpleNamespace(outer=outer, inner=inner, bare=bare, folders=(tmp_path / "outer", tmp_path / "inner"))


def listed(notebook):
    return notebook("%flow resources").outputs[-1]["text/plain"]


def ids():
    return [str(row.id) for row in ledger.resources()]


# the list


def test_nothing_open_is_said_in_one_line(notebook):
    assert notebook("%flow resources").outputs == [
        {
            "text/plain": "no resources are open, and dead kernels have left none",
            "text/html": "<div>no resources are open, and dead kernels have left none</div>",
        }
    ]


def test_what_this_kernel_holds_is_listed_with_its_run_and_without_times(notebook):
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    use(client)")
    notebook("%flow until example use")

    line = listed(notebook).splitlines()[2]

    assert "Cluster of example" in line
    assert "this kernel, run 1" in line
    assert "best effort" in line
    assert not [row for row in ledger.resources() if f"{row.since:.0f}" in line]
    notebook("%flow cancel example")
    assert "no resources are open" in listed(notebook)


def test_what_dead_kernels_left_is_listed_with_the_remedies(notebook, left):
    lines = listed(notebook).splitlines()

    assert lines[0].split() == ["id", "resource", "manager", "state", "kernel", "since", "cleanup", "handle"]
    assert [line.split()[0] for line in lines[2:5]] == [left.outer, left.inner, left.bare]
    assert all("dead kernel" in line for line in lines[2:5])
    assert ["reclaimable" in line for line in lines[2:5]] == [True, True, False]
    assert str(left.folders[0])[-10:] in lines[2]
    assert "%flow resources clean --all" in lines[5]
    assert f"%flow resources forget {left.bare}" in lines[6]


def test_the_list_is_a_table_in_html_too(notebook, left):
    page = notebook("%flow resources").outputs[-1]["text/html"]

    assert page.count("<tr>") == 4
    assert "<td>Folder of example</td>" in page


def test_hostile_names_and_handles_are_shown_harmlessly(notebook, tmp_path):
    folder = tmp_path / "<b onmouseover=alert(1)>"
    folder.mkdir()
    leave(folder, HOSTILE)

    bundle = notebook("%flow resources").outputs[-1]
    shown = notebook("%reload_ext nbflow").outputs[-1]
    cleaned = notebook("%flow resources clean --all").outputs[-1]

    for page in (bundle["text/html"], shown["text/html"]):
        assert "<img" not in page
        assert "<script" not in page
        assert "<b onmouseover" not in page
    for text in (bundle["text/plain"], shown["text/plain"], cleaned["text/plain"]):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert len(bundle["text/plain"].splitlines()) == 7


def test_what_has_ended_is_listed_on_demand(notebook, left):
    notebook(f"%flow resources clean {left.inner}")

    lines = notebook("%flow resources --all").outputs[-1]["text/plain"].splitlines()

    assert [line.split()[0] for line in lines[2:5]] == [left.outer, left.inner, left.bare]
    assert "closed" in lines[3]
    assert "cleaned up by" in lines[3]


def test_of_very_many_rows_the_newest_are_listed(notebook, left):
    row = ledger.resources()[-1]

    shown = table([dataclasses.replace(row, id=number) for number in range(1000)], {})

    assert "800 older ones are not shown" in shown["text/plain"]
    assert shown["text/html"].count("<tr>") == 201


@pytest.mark.parametrize("since", [float("inf"), float("nan"), -1e300, 1e18])
def test_an_impossible_time_is_a_question_mark(notebook, left, since):
    row = dataclasses.replace(ledger.resources()[-1], since=since, owner="another host", host="<moon>")

    shown = table([row], {})

    assert "another host (<moon>)  ?" in shown["text/plain"]
    assert "&lt;moon&gt;" in shown["text/html"]


@pytest.mark.parametrize(
    ("ago_s", "said"),
    [(700, "11 min"), (3 * 3600 + 300, "3 h 5 min"), (50 * 3600, "2 d 2 h"), (60, ""), (float("inf"), "")],
)
def test_what_this_kernel_has_held_for_long_is_told_with_how_long(notebook, ago_s, said):
    """It may cost money, and nobody may be looking at the run that is paused."""
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    use(client)")
    notebook("%flow until example use")
    (row,) = ledger.resources()
    older = dataclasses.replace(row, since=time.time() - ago_s)
    younger = dataclasses.replace(row, since=time.time() - 650)

    alone = table([older], {})["text/plain"].splitlines()[-1]
    both = table([older, younger], {})["text/plain"].splitlines()[-1]

    if said:
        assert alone == f"open for {said}: Cluster of example"
        assert both == f"{alone}, 1 more for less"
    else:
        assert "open for" not in alone
    notebook("%flow cancel example")


# clean, adopt, forget


def test_clean_reclaims_one(notebook, left):
    cell = notebook(f"%flow resources clean {left.inner}")

    assert cell.outputs[-1]["text/plain"] == f"resource {left.inner} ('Folder' of flow 'example') is gone"
    assert [folder.exists() for folder in left.folders] == [True, False]
    assert ids() == [left.outer, left.bare]


def test_clean_takes_several_ids(notebook, left):
    notebook(f"%flow resources clean {left.inner} {left.outer}")

    assert ids() == [left.bare]


def test_clean_all_reclaims_what_can_be_and_names_the_rest(notebook, left):
    cell = notebook("%flow resources clean --all")

    assert cell.error is None
    first, second = (bundle["text/plain"] for bundle in cell.outputs)
    assert f"not reclaimable: resource {left.bare} ('Bare' of flow 'example')" in first
    assert f"%flow resources forget {left.bare}" in first
    assert [line.split()[1] for line in second.splitlines()] == [left.inner, left.outer]
    assert [folder.exists() for folder in left.folders] == [False, False]
    assert ids() == [left.bare]


def test_clean_all_says_so_when_there_is_nothing(notebook):
    assert notebook("%flow resources clean --all").outputs[-1] == {"text/plain": "dead kernels have left nothing"}


def test_adopt_makes_this_kernel_responsible(notebook, left):
    cell = notebook(f"%flow resources adopt {left.outer}")

    assert "belongs to this kernel" in cell.outputs[-1]["text/plain"]
    owners = {str(row.id): row.owner for row in ledger.resources()}
    assert owners == {left.outer: "this kernel", left.inner: "dead kernel", left.bare: "dead kernel"}
    assert left.folders[0].exists()
    notebook(f"%flow resources forget {left.outer}")


def test_forget_takes_it_off_the_list_and_does_nothing_to_it(notebook, left):
    cell = notebook(f"%flow resources forget {left.outer} {left.bare}")

    assert cell.error is None
    assert left.folders[0].exists()
    assert ids() == [left.inner]


def test_what_this_kernel_failed_to_clean_is_tried_again(notebook):
    notebook("busy = [True]")
    notebook(
        "@resource_manager\nclass Lock:\n    def setup(self):\n        return 1\n    def cleanup(self, lock):\n"
        "        if busy:\n            raise OSError('busy')\n        log.append('released')"
    )
    notebook("%%flow example --no-show\nwith Lock() as lock:\n    use(lock)")
    notebook("import warnings\nwith warnings.catch_warnings(record=True):\n    %flow run example")
    (failed,) = ids()
    assert f"%flow resources clean {failed} tries the cleanup again" in listed(notebook)
    assert "busy" in listed(notebook)

    assert isinstance(notebook(f"%flow resources clean {failed}").error, UsageError)
    notebook("busy.clear()")
    assert notebook(f"%flow resources clean {failed}").error is None

    assert notebook.names["log"][-1] == "released"
    assert ids() == []


def test_what_the_reaper_has_reclaimed_is_not_there_any_more(notebook, tmp_path):
    kill_one(tmp_path)

    until = time.monotonic() + PATIENCE_S
    while len(rows := ledger.resources()) > 1 and time.monotonic() < until:
        time.sleep(0.05)

    assert [row.block for row in rows] == ["Bare"]
    assert not (tmp_path / "outer").exists()
    (bundle,) = notebook("%reload_ext nbflow").outputs
    assert bundle["text/plain"] == (
        "nbflow: dead kernels have left 1 resource that may be alive: 'Bare' of flow 'example'. "
        "%flow resources shows it."
    )


# bad input


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("clean", ["which resource", "--all"]),
        ("adopt", ["which resource"]),
        ("forget", ["which resource"]),
        ("clean x", ["'x'", "no id", "lists them"]),
        ("clean -1", ["'-1'"]),
        ("clean 99999999999999999999999", ["no id"]),
        ("clean 4711", ["4711", "%flow resources"]),
        ("adopt 4711", ["4711", "%flow resources"]),
        ("forget 4711", ["4711", "%flow resources"]),
        ("clean --all 3", ["3"]),
        ("clean 3 --all", ["3", "exclude each other"]),
        ("adopt --all", ["--all does not go with adopt"]),
        ("remove 3", ["'remove'", "clean ID", "forget ID"]),
        ("clean 3 --force", ["--force"]),
        ("clean '3", ["clean '3"]),
    ],
)
def test_bad_input_is_a_usage_error_naming_culprit_and_remedy(notebook, line, words):
    cell = notebook(f"%flow resources {line}")

    assert isinstance(cell.error, UsageError)
    assert "%flow resources" in cell.err
    assert [word for word in words if word not in cell.err] == []


def test_what_a_going_run_holds_is_refused_with_a_remedy(notebook):
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    use(client)")
    notebook("%flow until example use")

    for verb in ("clean", "adopt", "forget"):
        cell = notebook(f"%flow resources {verb} {ids()[0]}")

        assert isinstance(cell.error, UsageError)
        assert "'Cluster' of flow 'example'" in cell.err
    assert "cleanup" not in notebook.names["log"]


def test_what_cannot_be_reclaimed_is_refused_in_the_words_of_the_magic(notebook, left):
    cell = notebook(f"%flow resources clean {left.bare}")

    assert isinstance(cell.error, UsageError)
    assert f"%flow resources forget {left.bare}" in cell.err


def test_one_refusal_does_not_keep_the_others_from_being_cleaned(notebook, left):
    cell = notebook(f"%flow resources clean {left.inner} 4711 {left.outer}")

    assert isinstance(cell.error, UsageError)
    assert "4711" in cell.err
    assert ids() == [left.bare]


def test_a_damaged_ledger_is_a_usage_error(notebook, nbflow_home):
    ledger_file = nbflow_home / "ledger" / "ledger.sqlite3"
    ledger_file.parent.mkdir(parents=True)
    ledger_file.write_text("this is no database" * 100)

    cell = notebook("%flow resources")

    assert isinstance(cell.error, UsageError)
    assert "damaged" in cell.err


# completion


def complete(notebook, line):
    with provisionalcompleter():
        return [done.text for done in notebook.shell.Completer.completions(line, len(line))]


def test_tab_completes_the_subcommands_and_what_each_may_be_given(notebook, left):
    assert complete(notebook, "%flow reso") == ["resources"]
    assert sorted(complete(notebook, "%flow resources ")) == ["--all", "adopt", "clean", "forget"]
    assert complete(notebook, "%flow resources cl") == ["clean"]
    assert sorted(complete(notebook, "%flow resources clean ")) == sorted([left.outer, left.inner, "--all"])
    assert complete(notebook, f"%flow resources clean {left.outer} ") == [left.inner]
    assert complete(notebook, "%flow resources adopt ") == [left.outer, left.inner]
    assert complete(notebook, "%flow resources forget ") == [left.outer, left.inner, left.bare]
    assert left.outer not in complete(notebook, "%flow resources sell ")


def test_tab_is_silent_about_a_damaged_ledger(notebook, nbflow_home):
    (nbflow_home / "ledger").mkdir(parents=True)
    (nbflow_home / "ledger" / "ledger.sqlite3").write_text("this is no database" * 100)

    assert complete(notebook, "%flow resources clean ") == ["--all"]


# the notice


def test_loading_says_what_dead_kernels_left_and_how_to_look(notebook, left):
    (bundle,) = notebook("%reload_ext nbflow").outputs

    assert bundle["text/plain"] == (
        "nbflow: dead kernels have left 3 resources that may be alive: 'Folder' of flow 'example', "
        "'Folder' of flow 'example', 'Bare' of flow 'example'. %flow resources lists them, "
        "%flow resources clean --all removes what can be reclaimed."
    )
    assert "<code>%flow resources</code>" in bundle["text/html"]


def test_loading_says_nothing_when_nothing_was_left(notebook):
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    use(client)")
    notebook("%flow run example")
    notebook("%flow reset example")

    assert notebook("%reload_ext nbflow").outputs == []


def test_loading_says_nothing_of_what_was_cleaned_or_forgotten(notebook, left):
    notebook("%flow resources clean --all")
    notebook(f"%flow resources forget {left.bare}")

    assert notebook("%reload_ext nbflow").outputs == []


@pytest.mark.parametrize("contents", [b"", b"\0", b"this is no database" * 1000])
def test_a_damaged_ledger_does_not_keep_the_extension_from_loading(notebook, nbflow_home, contents):
    (nbflow_home / "ledger").mkdir(parents=True)
    (nbflow_home / "ledger" / "ledger.sqlite3").write_bytes(contents)

    cell = notebook("%reload_ext nbflow")

    assert cell.error is None
    assert notebook("%flow").error is None


def test_loading_without_a_ledger_makes_none_and_loads_little():
    code = (
        "import os, sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "for name in ('sqlite3', 'cloudpickle'): sys.modules.pop(name, None)\n"
        "shell.run_line_magic('load_ext', 'nbflow')\n"
        "print([name for name in ('sqlite3', 'cloudpickle') if name in sys.modules])\n"
        "print(os.path.exists(os.environ['NBFLOW_HOME']))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[-3:-1] == ["[]", "False"]
