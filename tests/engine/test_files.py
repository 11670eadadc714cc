"""Rule V8: a file that a task opened is an input or an output of it."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from nbflow import Flow, context, resource_manager, task
from nbflow.engine import files as files_module
from nbflow.engine.files import GONE, Budget, difference, look_at


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The present folder of each test; files of a minute ago, so that their times tell when they were written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name, text, *, ago_s=60):
    path = Path(name)
    path.write_text(text)
    at = path.stat().st_mtime - ago_s
    os.utime(path, (at, at))


def run_of(*functions, **options):
    """Run a flow of these functions, in this order and without edges; its run has `names`: the task of each."""
    with Flow("files") as flow:
        names = {fn.__name__: task(fn, **options)() for fn in functions}
    run = flow.start()
    assert run.wait().is_successful()
    run.names = names
    return run


def seen(run, name):
    """Return the names of what a task read and wrote, from the present folder."""
    found = run.files.get(run.names[name])
    if found is None:
        return set(), set()
    return {os.path.relpath(path) for path in found.inputs}, {os.path.relpath(path) for path in found.outputs}


def why(run, what="stale"):
    """Return the tasks that a rerun runs, and why."""
    return {step.task.name: step.why for step in run.flow.plan(what).steps if step.runs}


# -- what is seen ---------------------------------------------------------------------------------------------


def test_v8_what_a_task_reads_is_an_input_and_what_it_writes_an_output():
    put("a.txt", "1")

    def both():
        Path("b.txt").write_text(Path("a.txt").read_text())

    run = run_of(both)

    assert seen(run, "both") == ({"a.txt"}, {"b.txt"})
    state = run.files[run.names["both"]].inputs[os.path.abspath("a.txt")]
    assert state.size == 1
    assert state.mtime_ns == os.stat("a.txt").st_mtime_ns
    assert state.digest


@pytest.mark.parametrize(
    ("mode", "read", "written"),
    [
        ("r", {"a.txt"}, set()),
        ("rb", {"a.txt"}, set()),
        ("w", set(), {"a.txt"}),
        ("a", set(), {"a.txt"}),
        ("r+", {"a.txt"}, {"a.txt"}),
        ("a+", {"a.txt"}, {"a.txt"}),
        ("w+", set(), {"a.txt"}),
    ],
)
def test_v8_the_mode_tells_an_input_from_an_output(mode, read, written):
    put("a.txt", "1")

    def one():
        with open("a.txt", mode) as file:
            if mode not in ("r", "rb"):
                file.write("2345")

    assert seen(run_of(one), "one") == (read, written)


def test_v8_a_file_that_is_new_is_an_output():
    def one():
        with open("a.txt", "x") as file:
            file.write("1")

    assert seen(run_of(one), "one") == (set(), {"a.txt"})


def test_v8_what_is_opened_for_changes_and_left_alone_is_an_input():
    put("a.txt", "1")

    def one():
        with open("a.txt", "r+") as file:
            file.read()

    assert seen(run_of(one), "one") == ({"a.txt"}, set())


def test_v8_a_file_that_a_task_wrote_before_it_read_it_is_no_input():
    def one():
        Path("a.txt").write_text("1")
        return Path("a.txt").read_text()

    assert seen(run_of(one), "one") == (set(), {"a.txt"})


def test_v8_what_is_read_and_then_written_is_both():
    put("a.txt", "1")

    def one():
        text = Path("a.txt").read_text()
        Path("a.txt").write_text(text + text)

    run = run_of(one)

    assert seen(run, "one") == ({"a.txt"}, {"a.txt"})
    assert why(run) == {}


def test_v8_descriptors_and_databases_count():
    put("a.bin", "1")

    def one():
        os.close(os.open("a.bin", os.O_RDONLY))
        os.close(os.open("b.bin", os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        with sqlite3.connect("c.db") as database:
            database.execute("create table t (x)")
        database.close()
        sqlite3.connect(":memory:").close()
        sqlite3.connect("file:d.db?mode=memory", uri=True).close()

    assert seen(run_of(one), "one") == ({"a.bin"}, {"b.bin", "c.db"})


def test_v8_a_database_that_is_only_asked_is_an_input():
    with sqlite3.connect("c.db") as database:
        database.execute("create table t (x)")
    database.close()

    def one():
        database = sqlite3.connect("c.db")
        found = database.execute("select * from t").fetchall()
        database.close()
        return found

    assert seen(run_of(one), "one") == ({"c.db"}, set())


def test_v8_copies_and_new_names_count():
    put("a.txt", "1")
    put("old.txt", "1")

    def one():
        shutil.copy("a.txt", "copy.txt")
        Path("b.part").write_text("2")
        os.replace("b.part", "b.txt")
        Path("old.txt").rename("new.txt")

    run = run_of(one)

    assert seen(run, "one") == ({"a.txt", "old.txt"}, {"copy.txt", "b.txt", "old.txt", "new.txt"})
    assert run.files[run.names["one"]].outputs[os.path.abspath("old.txt")] == GONE
    assert why(run) == {}


def test_v8_a_folder_that_gets_its_name_at_the_end_counts_with_its_files():
    def one():
        os.mkdir("part")
        Path("part/a.txt").write_text("1")
        os.rename("part", "whole")

    assert seen(run_of(one), "one") == (set(), {"whole/a.txt"})


def test_v8_a_temporary_file_does_not_count():
    def one():
        with tempfile.TemporaryDirectory(dir=".") as scratch:
            Path(scratch, "a.txt").write_text("1")
            Path(scratch, "a.txt").read_text()
        with tempfile.NamedTemporaryFile(dir=".") as file:
            file.write(b"1")

    assert seen(run_of(one), "one") == (set(), set())


def test_v8_files_of_the_interpreter_and_of_nbflow_do_not_count(folder, monkeypatch):
    monkeypatch.setenv("NBFLOW_HOME", str(folder / "home"))
    monkeypatch.syspath_prepend(folder)
    put("a_module_of_the_user.py", "x = 1")

    @resource_manager
    class Lamp:
        def setup(self):
            return 1

        def cleanup(self, resource):
            pass

    def one():
        import a_module_of_the_user  # noqa: F401

        with open(textwrap.__file__), open(pytest.__file__), open(os.devnull):
            pass
        with open("/dev/null", "w") as file:
            file.write("1")
        with Flow("inside", store="kept") as inside, Lamp():
            task(lambda: 1, name="nothing")()
        inside.run()

    assert seen(run_of(one), "one") == (set(), set())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_v8_pipes_and_folders_do_not_count():
    os.mkfifo("pipe")

    def one():
        for way in (os.O_RDONLY | os.O_NONBLOCK, os.O_RDWR):
            os.close(os.open("pipe", way))
        os.close(os.open(".", os.O_RDONLY))

    assert seen(run_of(one), "one") == (set(), set())


def test_v8_a_path_may_be_bytes_or_an_object_and_the_folder_may_change():
    put("a.txt", "1")
    os.mkdir("deep")

    def one():
        with open(b"a.txt"), open(Path("a.txt")):
            pass
        os.chdir("deep")
        Path("b.txt").write_text("1")
        os.chdir("..")

    assert seen(run_of(one), "one") == ({"a.txt"}, {"deep/b.txt"})


def test_v8_it_is_seen_also_when_the_task_has_asked_for_its_context():
    put("a.txt", "1")

    def one():
        context["mine"] = 1
        with context(more=2):
            return Path("a.txt").read_text()

    assert seen(run_of(one), "one") == ({"a.txt"}, set())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="this Python does not tell who starts a thread")
def test_v8_the_threads_of_a_task_count_as_the_task():
    for name in ("a.txt", "b.txt", "c.txt"):
        put(name, "1")

    def one():
        begun = threading.Thread(target=Path("a.txt").read_text)
        begun.start()
        begun.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(Path("b.txt").read_text).result()
        asyncio.run(asyncio.to_thread(Path("c.txt").read_text))

    assert seen(run_of(one), "one")[0] == {"a.txt", "b.txt", "c.txt"}


def test_v8_asynchronous_tasks_count():
    put("a.txt", "1")

    async def one():
        await asyncio.sleep(0)
        return Path("a.txt").read_text()

    assert seen(run_of(one), "one") == ({"a.txt"}, set())


def test_v8_the_files_of_a_flow_inside_are_those_of_the_task_that_runs_it():
    put("a.txt", "1")

    def one():
        with Flow("inside") as inside:
            task(Path("a.txt").read_text, name="read")()
        inside.run()

    assert seen(run_of(one), "one") == ({"a.txt"}, set())


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_v8_each_task_has_its_own(executor):
    names = [f"{number}.txt" for number in range(20)]
    for name in names:
        put(name, "1")
    with Flow("files", executor=executor) as flow:
        tasks = [task(lambda name: Path(name).read_text(), name=name)(name) for name in names]
    run = flow.start()
    run.wait()

    assert {os.path.relpath(*run.files[one].inputs): one.name for one in tasks} == dict(zip(names, names, strict=True))


def test_v8_children_of_a_map_are_merged():
    put("0.txt", "0")
    put("1.txt", "1")
    with Flow("files") as flow:
        read = task(lambda n: Path(f"{n}.txt").read_text(), name="read").map([0, 1])
    run = flow.start()
    run.wait()
    assert {os.path.relpath(path) for path in run.files[read].inputs} == {"0.txt", "1.txt"}

    put("1.txt", "changed")

    assert why(run) == {"read": "file '1.txt' has changed"}


def test_v8_what_an_attempt_wrote_that_failed_is_no_input_of_the_next():
    def one():
        if not Path("a.txt").exists():
            Path("a.txt").write_text("1")
            raise ValueError
        return Path("a.txt").read_text()

    run = run_of(one, max_retries=1, retry_delay=timedelta(0))

    assert seen(run, "one") == (set(), {"a.txt"})


def test_v8_a_task_may_opt_out():
    put("a.txt", "1")

    def one():
        return Path("a.txt").read_text()

    run = run_of(one, files=False)
    put("a.txt", "2")

    assert seen(run, "one") == (set(), set())
    assert why(run) == {}
    assert not run.names["one"].files


def test_v8_nothing_is_hooked_before_a_run_begins():
    script = """
        import sys
        hooked = []
        sys.addaudithook(lambda event, args: hooked.append(event) if event == "sys.addaudithook" else None)
        from nbflow import Flow, task
        with Flow("one") as flow:
            task(lambda: 1)()
        assert not hooked, hooked
        for _ in range(3):
            assert flow.run().is_successful()
        assert hooked == ["sys.addaudithook"], hooked
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_v8_what_is_opened_outside_of_tasks_does_not_count():
    put("a.txt", "1")

    def one():
        return 1

    with Flow("files", state_handlers=[lambda *_: Path("a.txt").read_text() and None]) as flow:
        task(one)()
    run = flow.start()
    run.wait()
    Path("a.txt").read_text()

    assert run.files == {}


# -- what is stale --------------------------------------------------------------------------------------------


def reader():
    return Path("data.csv").read_text()


def test_v8_a_task_whose_file_has_changed_is_stale():
    put("data.csv", "1")
    with Flow("files") as flow:
        loaded = task(reader)()
        total = task(lambda text: int(text) + 1, name="total")(loaded)
    run = flow.start()
    run.wait()
    assert why(run) == {}

    put("data.csv", "2")

    assert why(run) == {"reader": "file 'data.csv' has changed", "total": "downstream of 'reader'"}
    assert run.rerun("stale").wait().result[total].result == 3
    assert why(run.flow.runs[-1]) == {}


def test_v8_a_change_within_the_tick_of_a_clock_is_seen():
    Path("data.csv").write_text("1")
    run = run_of(reader)
    before = os.stat("data.csv")

    Path("data.csv").write_text("2")
    os.utime("data.csv", ns=(before.st_atime_ns, before.st_mtime_ns))

    assert why(run) == {"reader": "file 'data.csv' has changed"}


def test_v8_a_file_that_was_only_touched_has_not_changed():
    put("data.csv", "1")
    run = run_of(reader)

    Path("data.csv").touch()
    assert why(run) == {}
    put("data.csv", "1", ago_s=3600)
    assert why(run) == {}


def test_v8_a_file_that_is_gone_or_there_now_is_a_change():
    put("data.csv", "1")

    def perhaps():
        try:
            return Path("extra.csv").read_text()
        except FileNotFoundError:
            return None

    run = run_of(reader, perhaps)
    os.remove("data.csv")
    put("extra.csv", "1")

    assert why(run) == {"reader": "file 'data.csv' is gone", "perhaps": "file 'extra.csv' is there now"}


def test_v8_the_path_is_shown_from_the_present_folder_if_that_is_shorter(folder, monkeypatch):
    put("data.csv", "1")
    run = run_of(lambda path=folder / "data.csv": path.read_text())
    put("data.csv", "2")
    (folder / "some" / "where").mkdir(parents=True)

    monkeypatch.chdir(folder / "some")
    assert why(run) == {"<lambda>": "file '../data.csv' has changed"}
    monkeypatch.chdir("/")
    assert why(run) == {"<lambda>": f"file {str(folder / 'data.csv')[1:]!r} has changed"}


def test_v8_a_big_file_goes_by_size_and_time(monkeypatch):
    put("data.csv", "1")
    monkeypatch.setattr(files_module, "MOST_HASHED", 0)
    state = look_at("data.csv", Budget(0))

    assert state.digest == ""
    assert difference("data.csv", state) == ""
    Path("data.csv").touch()
    assert difference("data.csv", state) == "has changed"


def test_v8_the_content_that_is_hashed_for_one_attempt_is_bounded():
    budget = Budget(10)
    put("one.txt", "12345678")
    put("two.txt", "12345678")
    put("three.txt", "12")

    assert [bool(look_at(name, budget).digest) for name in ("one.txt", "two.txt", "three.txt")] == [
        True,
        False,
        True,
    ]


def test_v8_a_pinned_value_stays_when_its_file_changes():
    put("data.csv", "1")
    run = run_of(reader)
    run.pin(run.names["reader"])
    put("data.csv", "2")

    assert why(run) == {}


# -- writers and readers --------------------------------------------------------------------------------------


def chain(executor="inline", calls=None, *, names=("write", "read")):
    """A flow without edges: `write` makes a file, `read` takes it."""
    calls = [] if calls is None else calls

    def write():
        calls.append("write")
        put("between.txt", "1")

    def read():
        calls.append("read")
        return Path("between.txt").read_text()

    with Flow("chain", executor=executor) as flow:
        tasks = [task({"write": write, "read": read}[name])() for name in names]
    run = flow.start()
    run.wait()
    return run, tasks, calls


def test_v8_an_unchanged_flow_runs_nothing():
    run, _, _ = chain()

    assert why(run) == {}


def test_v8_readers_run_again_when_the_writer_does():
    run, (write, _), _ = chain()

    assert why(run, [write]) == {"write": "asked for", "read": "downstream of 'write'"}


def test_v8_the_writer_of_a_file_that_is_gone_runs_again_for_its_reader():
    run, _, calls = chain()
    os.remove("between.txt")

    assert why(run) == {"read": "file 'between.txt' is gone", "write": "file 'between.txt' is gone"}
    assert run.rerun("stale").wait().is_successful()
    assert calls == ["write", "read"] * 2


def test_v8_the_writer_of_a_file_that_somebody_changed_runs_again_for_its_reader():
    run, (_, read), _ = chain()
    put("between.txt", "2")

    assert run.rerun("stale").wait().result[read].result == "1"


def test_v8_a_file_that_nobody_who_runs_reads_may_be_gone():
    def write():
        put("report.txt", "1")

    run = run_of(write)
    os.remove("report.txt")

    assert why(run) == {}


def test_v8_the_order_is_kept_on_threads_when_both_run_again():
    run, _, calls = chain()
    os.remove("between.txt")
    for _ in range(5):
        again = run.flow.plan("all")
        assert run.flow._start_plan(again, executor="threads").wait().is_successful()

    assert calls == ["write", "read"] * 6


def test_v8_one_that_reads_before_it_is_written_does_not_come_after():
    put("between.txt", "1")
    run, (read, write), _ = chain(names=("read", "write"))

    assert why(run) == {}
    assert why(run, [write]) == {"write": "asked for"}
    assert why(run, [read]) == {"read": "asked for"}


def test_v8_a_file_that_a_later_task_changes_in_place_is_made_again_for_one_between():
    def write():
        put("data.txt", "1")

    def read():
        return Path("data.txt").read_text()

    def change():
        text = Path("data.txt").read_text()
        put("data.txt", text + "2")

    run = run_of(write, read, change)
    names = run.names
    assert why(run) == {}
    assert set(why(run, [names["read"]])) == {"write", "read", "change"}

    again = run.rerun([names["read"]])
    again.wait()
    assert again.results[names["read"]] == "1"
    assert Path("data.txt").read_text() == "12"
    assert why(again) == {}


def test_v8_a_log_that_tasks_add_to_makes_none_of_them_run_again():
    def one():
        with open("log.txt", "a") as file:
            file.write("one\n")

    def other():
        with open("log.txt", "a") as file:
            file.write("other\n")

    run = run_of(one, other)

    assert why(run, [run.names["other"]]) == {"other": "asked for"}
    assert why(run, [run.names["one"]]) == {"one": "asked for"}


def test_v8_files_of_a_scratch_folder_that_was_cleaned_up_make_nothing_stale():
    calls = []

    @resource_manager
    class Scratch:
        def setup(self):
            return tempfile.mkdtemp(dir=".")

        def cleanup(self, resource):
            shutil.rmtree(resource)

    @task
    def write(scratch):
        calls.append("write")
        Path(scratch, "a.txt").write_text("1")

    @task
    def read(scratch, _):
        calls.append("read")
        return Path(scratch, "a.txt").read_text()

    with Flow("scratch") as flow, Scratch() as scratch:
        found = read(scratch, write(scratch))
    run = flow.start()
    run.wait()

    assert why(run) == {}
    assert run.rerun([found]).wait().is_successful()
    assert calls == ["write", "read"] * 2
    assert why(flow.runs[-1]) == {}


def test_v8_what_a_rerun_takes_over_it_knows_the_files_of():
    put("data.csv", "1")

    def other():
        return 1

    run = run_of(reader, other)
    for _ in range(3):
        run = run.rerun([run.flow.tasks and next(t for t in run.graph.tasks if t.name == "other")])
        run.wait()
    assert why(run) == {}
    put("data.csv", "2")

    assert why(run) == {"reader": "file 'data.csv' has changed"}


def test_v8_the_state_of_a_file_can_be_pickled():
    put("data.csv", "1")
    run = run_of(reader)

    assert pickle.loads(pickle.dumps(run.files[run.names["reader"]])) == run.files[run.names["reader"]]
