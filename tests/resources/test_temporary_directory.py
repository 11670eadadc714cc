"""A directory for a block: removed whatever is in it, and never another one."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest

from nbflow import Flow, task
from nbflow.errors import OptionError
from nbflow.resources import TemporaryDirectory, directory
from nbflow.resources.errors import NotOurDirectoryError

PATH = "nbflow.resources.temporary_directory:TemporaryDirectory"


@pytest.fixture
def manager(tmp_path):
    return TemporaryDirectory.resource_class(dir=tmp_path)


def test_the_tasks_of_a_block_share_a_directory_that_is_gone_afterwards(executor, tmp_path):
    @task
    def write(folder):
        (folder / "a.txt").write_text("hello")

    @task
    def read(folder):
        return str(folder), (folder / "a.txt").read_text()

    with Flow("f") as flow, TemporaryDirectory(prefix="work-", dir=tmp_path) as folder:
        text = read(folder, upstream_tasks=[write(folder)])

    path, found = flow.run(executor=executor).result[text].result

    assert found == "hello"
    assert Path(path).name.startswith("work-")
    assert list(tmp_path.glob("work-*")) == []


def test_two_runs_have_two_directories(tmp_path):
    seen = []
    with Flow("f") as flow, TemporaryDirectory(dir=tmp_path) as folder:
        task(lambda x: seen.append(x), name="see")(folder)

    flow.run()
    flow.run()

    assert len(set(seen)) == 2


def test_only_the_owner_can_look_into_it(manager):
    path = manager.setup()

    assert path.stat().st_mode & 0o777 == 0o700
    manager.cleanup(path)


def test_it_is_made_where_the_system_keeps_temporary_files():
    manager = TemporaryDirectory.resource_class()

    assert manager.path.parent == Path(tempfile.gettempdir())


def test_its_name_is_known_before_it_exists(manager):
    handle = manager.early_handle()

    assert not Path(handle["path"]).exists()
    assert handle == manager.handle(manager.setup())
    manager.cleanup(manager.path)


def test_a_prefix_cannot_lead_elsewhere():
    with pytest.raises(OptionError, match=r"prefix='\.\./x' must be the beginning of a name"):
        TemporaryDirectory.resource_class(prefix="../x")


def test_a_folder_that_does_not_exist_fails_the_setup_with_its_path(tmp_path):
    manager = TemporaryDirectory.resource_class(dir=tmp_path / "missing")

    with pytest.raises(FileNotFoundError, match="missing"):
        manager.setup()


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_what_is_read_only_is_removed_too(ordinary_user, mode):
    manager = TemporaryDirectory.resource_class(dir=ordinary_user)
    path = manager.setup()
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").touch(mode=0o400)
    for folder in (path / "a" / "b", path / "a", path):
        folder.chmod(mode)

    manager.cleanup(path)

    assert not path.exists()


def test_a_link_inside_is_removed_and_what_it_leads_to_is_not(manager, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    path = manager.setup()
    (path / "link").symlink_to(kept)

    manager.cleanup(path)

    assert not path.exists()
    assert (kept / "file").exists()


def test_a_directory_that_is_gone_already_is_nothing_to_clean_up(manager):
    path = manager.setup()
    path.rmdir()

    manager.cleanup(path)
    manager.reclaim(manager.early_handle())

    assert not path.exists()


def test_a_link_in_its_place_is_not_followed(manager, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    manager.path.symlink_to(kept)

    with pytest.raises(NotOurDirectoryError, match="is a symbolic link, not the directory"):
        manager.reclaim(manager.early_handle())

    assert kept.exists()


def test_a_file_in_its_place_is_left_alone(manager):
    manager.path.touch()

    with pytest.raises(NotOurDirectoryError, match="is a file, not the directory"):
        manager.reclaim(manager.early_handle())

    assert manager.path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of another user")
def test_a_directory_of_another_user_is_left_alone(manager):
    path = manager.setup()
    os.chown(path, 12_345, -1)

    with pytest.raises(NotOurDirectoryError, match="another user"):
        manager.reclaim(manager.early_handle())

    assert path.exists()


def test_a_task_that_still_writes_does_not_keep_it_from_being_removed(tmp_path, monkeypatch):
    path = tmp_path / "busy"
    path.mkdir()
    real = directory.shutil.rmtree
    calls = []

    def rmtree(target):
        calls.append(target)
        if len(calls) == 1:
            raise OSError(39, "Directory not empty")
        real(target)

    monkeypatch.setattr(directory.shutil, "rmtree", rmtree)

    directory.remove(path)

    assert not path.exists()


def test_on_request_it_is_kept_when_a_task_failed_and_the_log_says_where(caplog, tmp_path):
    with Flow("f") as flow, TemporaryDirectory(dir=tmp_path, prefix="kept-", keep_on_failure=True) as folder:
        task(lambda folder: (folder / "half").touch() or 1 / 0, name="break")(folder)

    with caplog.at_level(logging.WARNING):
        assert flow.run().is_failed()

    (kept,) = tmp_path.glob("kept-*")
    assert (kept / "half").exists()
    assert f"a task failed, so the directory is kept: {kept}" in caplog.text


def test_a_directory_that_may_be_kept_is_removed_when_the_run_is_cancelled(manager, outcome):
    manager.keep_on_failure = True
    path = manager.setup()

    manager.cleanup(path, outcome(cancelled=["a"]))

    assert not path.exists()


def test_after_the_death_of_its_owner_it_is_reclaimed_from_another_process(owner, tmp_path, reclaim):
    dying = owner(PATH, dir=str(tmp_path), prefix="orphan-")
    path = Path(dying.handle()["path"])
    (path / "data").write_text("x")

    dying.kill()
    reclaim(PATH, dying.early)
    reclaim(PATH, dying.early)  # and once more changes nothing

    assert not path.exists()
    assert list(tmp_path.glob("orphan-*")) == []
