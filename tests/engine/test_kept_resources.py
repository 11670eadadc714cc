"""Rule 19 of the cleanup guarantee: an author's own trigger of a cleanup may keep the resource."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nbflow import Flow, apply_map, ledger, resource_manager, task, triggers
from nbflow.states import Paused, TriggerFailed
from tests.patience import PATIENCE_S
from tests.shared import SharedList


@pytest.fixture
def diary():
    return SharedList()


def folder(diary, trigger, **options):
    class Folder:
        def setup(self):
            diary.append("setup")
            return "folder"

        def on_failure(self, folder):
            diary.append("on_failure")

        def cleanup(self, folder):
            diary.append("cleanup")

    return resource_manager(name="folder", cleanup_task_kwargs={"trigger": trigger}, **options)(Folder)


@task
def use(folder, fails=False):
    if fails:
        raise ValueError("look into the folder")


def flow_with(manager, *, fails):
    with Flow("f") as flow, manager() as resource:
        use(resource, fails)
    return flow


def test_a_resource_is_kept_when_the_trigger_of_its_cleanup_says_so(diary, executor):
    """Rule 19."""
    flow = flow_with(folder(diary, triggers.all_successful), fails=True)

    state = flow.run(executor=executor)

    run = flow.runs[-1]
    assert diary == ["setup"]
    assert state.is_failed()
    assert type(state.result[flow.blocks[0].cleanup_task]) is TriggerFailed
    assert run.block_status == {flow.blocks[0]: "kept"}
    assert run.cleanup_failures == {}
    assert "kept" in str(run.flow._bundle_of(run)["text/plain"])
    (row,) = ledger.resources()
    assert (row.state, row.is_kept) == ("open", True)
    assert "kept" in row.note


def test_a_resource_is_cleaned_up_when_the_trigger_says_so(diary, executor):
    """Rules 1 and 19."""
    flow = flow_with(folder(diary, triggers.all_successful), fails=False)

    assert flow.run(executor=executor).is_successful()
    assert diary == ["setup", "cleanup"]
    assert ledger.resources() == []


def test_what_was_kept_is_cleaned_up_by_an_explicit_word(diary):
    """Rule 19: `%flow resources clean` calls its own hooks and cleanup."""
    flow = flow_with(folder(diary, triggers.all_successful), fails=True)
    flow.run()
    (row,) = ledger.resources()

    assert ledger.clean(row.id).state == "closed"
    assert diary == ["setup", "on_failure", "cleanup"]
    assert flow.runs[-1].block_status == {flow.blocks[0]: "cleaned"}
    assert ledger.clean(row.id).state == "closed"
    assert diary == ["setup", "on_failure", "cleanup"]


def test_what_was_kept_may_be_forgotten(diary):
    """Rule 19."""
    flow_with(folder(diary, triggers.all_successful), fails=True).run()
    (row,) = ledger.resources()

    ledger.forget(row.id)

    assert ledger.resources() == []
    assert diary == ["setup"]


def test_each_element_of_a_mapped_block_is_asked_for_itself(diary, executor):
    """Rule 19."""
    manager = folder(diary, triggers.all_successful)

    def each(fails):
        with manager() as resource:
            return use(resource, fails)

    with Flow("f") as flow:
        apply_map(each, [False, True])

    flow.run(executor=executor)

    assert sorted(diary) == ["cleanup", "setup", "setup"]
    assert flow.runs[-1].block_status == {flow.blocks[0]: "kept"}
    assert [row.block for row in ledger.resources()] == ["folder[1]"]


def test_a_trigger_that_raises_does_not_keep_the_resource(diary, executor):
    """Rules 1, 17 and 19: what is wrong is no word of the author's."""

    def breaks(upstream):
        raise RuntimeError("no")

    flow = flow_with(folder(diary, breaks), fails=False)

    with pytest.warns(RuntimeWarning, match="the cleanup is made all the same"):
        assert flow.run(executor=executor).is_successful()

    assert diary == ["setup", "cleanup"]


def test_a_cancelled_run_asks_the_trigger_as_well(diary):
    """Rules 6 and 19."""
    flow = flow_with(folder(diary, triggers.all_successful), fails=False)
    run = flow.start(paused=True)
    run.step()
    run.step()

    run.cancel()
    run.wait(PATIENCE_S)

    assert diary == ["setup"]
    assert run.block_status == {flow.blocks[0]: "kept"}


def test_a_cleanup_may_wait_for_a_person(diary):
    """Rule 19: with `manual_only` it is made when somebody resumes it, and kept when nobody does."""
    flow = flow_with(folder(diary, triggers.manual_only), fails=False)
    for resumes in (True, False):
        run = flow.start()
        block = flow.blocks[0]
        still = threading.Event()
        run.listen(lambda event, still=still: still.set() if isinstance(event.state, Paused) else None, replay=True)
        assert still.wait(PATIENCE_S)
        assert run.open_resources == ["folder"]
        if resumes:
            run.resume(block.cleanup_task)
        else:
            run.cancel()
        run.wait(PATIENCE_S)
        assert run.is_finished
        assert run.block_status == {block: "cleaned" if resumes else "kept"}

    assert diary == ["setup", "cleanup", "setup"]


def test_an_outer_block_is_cleaned_up_around_what_is_kept(diary, executor):
    """Rules 4 and 19."""
    with Flow("f") as flow, folder(diary, triggers.always_run)() as outer:
        with folder(diary, triggers.all_successful)() as inner:
            use(inner, True)
        use(outer)

    flow.run(executor=executor)

    assert diary == ["setup", "setup", "on_failure", "cleanup"]


SCRIPT = """
import shutil, tempfile
from pathlib import Path
from nbflow import Flow, resource_manager, task, triggers
from tests.shared import SharedList

@resource_manager(cleanup_task_kwargs={"trigger": triggers.all_successful})
class Folder:
    def setup(self):
        return Path(tempfile.mkdtemp(dir="."))
    def cleanup(self, path):
        print("cleanup")
    def handle(self, path):
        return str(path.resolve())
    @staticmethod
    def reclaim(handle):
        shutil.rmtree(handle)

@task
def use(path):
    raise ValueError

with Flow("f") as flow, Folder() as path:
    use(path)
flow.run()
print([one.is_dir() for one in Path(".").glob("tmp*")])
"""


def test_what_is_still_kept_when_the_kernel_ends_is_reclaimed_by_the_reaper(tmp_path):
    """Rules 12 and 19."""
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )

    assert said.stdout == "[True]\n"
    until = time.monotonic() + PATIENCE_S
    while list(Path(tmp_path).glob("tmp*")) and time.monotonic() < until:
        time.sleep(0.01)
    assert not list(tmp_path.glob("tmp*"))


def bare(diary):
    class Bare:
        def __init__(self):
            diary.append("setup")

        def cleanup(self, resource):
            diary.append("cleanup")

    return Bare


def generator(diary):
    def make():
        diary.append("setup")
        yield "folder"
        diary.append("cleanup")

    return make


def factory(diary):
    def make():
        return bare(diary)()

    return make


@pytest.mark.parametrize("kind", [bare, generator, factory])
@pytest.mark.parametrize(
    ("trigger", "when"),
    [
        (triggers.all_successful, {"succeeds"}),
        (triggers.any_failed, {"fails"}),
        (triggers.some_failed(at_least=1), {"fails"}),
        (triggers.always_run, {"succeeds", "fails"}),
        (lambda upstream: any(state.is_failed() for state in upstream.values()), {"fails"}),
    ],
)
@pytest.mark.parametrize("fails", [True, False])
def test_every_kind_of_manager_is_asked_for(fails, trigger, when, kind, diary):
    """Rule 19."""
    manager = resource_manager(cleanup_task_kwargs={"trigger": trigger})(kind(diary))

    flow_with(manager, fails=fails).run()

    is_cleaned = ("fails" if fails else "succeeds") in when
    assert diary == ["setup"] + ["cleanup"] * is_cleaned


def test_a_setup_that_fails_leaves_nothing_to_keep_or_clean(diary):
    """Rules 9 and 19."""

    @resource_manager(cleanup_task_kwargs={"trigger": triggers.always_run})
    class Broken:
        def setup(self):
            raise OSError

        def cleanup(self, resource):
            diary.append("cleanup")

    flow = flow_with(Broken, fails=False)

    assert flow.run().result[flow.blocks[0].cleanup_task].is_skipped()
    assert diary == []
