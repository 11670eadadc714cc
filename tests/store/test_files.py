"""Files that are damaged, newer, somebody else's or of something else are refused, and never unpickled."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from nbflow import Flow, task
from nbflow.errors import (
    DamagedStoreError,
    NewerStoreError,
    NotKeptError,
    StoreError,
    StoreUnavailableError,
    UntrustedStoreError,
)
from nbflow.store import entry, secure_files
from nbflow.store.entry import Header, read_header, read_value
from nbflow.store.filenames import number_of, run_name, safe_name, value_name
from tests.store.conftest import write_value

if TYPE_CHECKING:
    from pathlib import Path

OPENED: list[str] = []


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return OPENED.append, ("unpickled",)


@pytest.fixture(autouse=True)
def _nothing_is_opened():
    OPENED.clear()
    yield
    assert OPENED == []


@pytest.fixture
def flow(store) -> Flow:
    """A flow with one run in its store."""
    with Flow("f", store=store) as flow:
        task(lambda: Trap(), name="trap")()
    flow.run()
    return flow


def run_folder(store: Path) -> Path:
    return next((store / "f").iterdir())


def value_file(store: Path) -> Path:
    return next(store.rglob("trap-1.*.value"))


def read_all(flow: Flow):
    """Read everything there is, unpickling included."""
    for run in flow.stored_runs():
        for one in run.states:
            _ = run.results[one]


def test_a_file_that_is_written_whole_is_read_whole(tmp_path):
    path = tmp_path / "x.value"
    written = write_value(path, Header(slug="x", run="r", state="Success", inputs={"a": "b"}), {"a": b"x" * 200_000})

    assert read_header(path) == written
    assert read_value(path, written) == {"a": b"x" * 200_000}
    assert written.size > 200_000


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused(flow, store, share):
    path = value_file(store)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(DamagedStoreError, match="nothing of it was executed"):
        read_all(flow)


def test_a_file_with_any_byte_changed_is_refused(flow, store):
    path = value_file(store)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :])
        with pytest.raises((DamagedStoreError, NewerStoreError)):
            read_all(flow)


def test_a_file_that_grew_is_refused(flow, store):
    path = value_file(store)
    path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(DamagedStoreError):
        read_all(flow)


def test_a_plain_pickle_in_the_place_of_a_file_is_refused(flow, store):
    value_file(store).write_bytes(pickle.dumps(Trap()))

    with pytest.raises(DamagedStoreError, match="does not begin like"):
        read_all(flow)


def test_a_file_of_a_newer_format_is_refused_and_left_alone(flow, store):
    path = value_file(store)
    newer = path.read_bytes().replace(b"nbflow-store 2\n", b"nbflow-store 3\n")
    path.write_bytes(newer)

    with pytest.raises(NewerStoreError, match="format 3"):
        read_all(flow)
    assert path.read_bytes() == newer


def test_a_run_of_a_newer_format_is_refused(flow, store):
    path = run_folder(store) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3, "unheard": "of"}))

    with pytest.raises(NewerStoreError, match="newer nbflow"):
        flow.stored_runs()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": "1"}',
        '{"format": 1}',
        "[" * 100_000,
        "\xff",
        '{"format": 1, "a": 2}',
        '{"format": 2, "a": 2}',
    ],
)
def test_a_run_whose_facts_are_damaged_is_refused(flow, store, text):
    (run_folder(store) / "run.json").write_text(text, encoding="latin-1")

    with pytest.raises(DamagedStoreError, match="can not be read"):
        flow.stored_runs()


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "1"},
        {"number": None},
        {"id": 5},
        {"parameters": []},
        {"parameters": {"a": 1}},
        {"sources": {"a": 1}},
        {"changed": {"a": [1]}},
        {"changed": {"a": 1}},
    ],
)
def test_a_run_whose_facts_have_other_types_is_refused(flow, store, wrong):
    path = run_folder(store) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))

    with pytest.raises(DamagedStoreError):
        flow.stored_runs()


@pytest.mark.parametrize("state", ["Pending", "State", "__class__", "os.system", ""])
def test_a_state_that_no_store_holds_is_refused(flow, store, state):
    path = value_file(store)
    write_value(path, Header(slug="trap-1", state=state), 1)

    with pytest.raises(DamagedStoreError, match="can not be"):
        _ = flow.stored_runs()[0].states


def test_a_file_of_another_task_is_refused(flow, store):
    path = value_file(store)
    write_value(path, Header(slug="other-1", state="Success"), 1)

    with pytest.raises(DamagedStoreError, match="of the task 'other-1'"):
        read_all(flow)


def test_the_folder_of_another_flow_is_refused(flow, store):
    (store / "f").rename(store / "g")

    with pytest.raises(DamagedStoreError, match="of the flow 'f'"):
        Flow("g", store=store).stored_runs()


def test_a_header_of_strange_types_is_refused(tmp_path):
    for wrong in (
        {"slug": 5},
        {"inputs": {"a": 5}},
        {"index": "0"},
        {"size": None},
        {"code": None},
        {"changed": [5]},
        {"buffers": ["1"]},
        {"buffers": [1]},
        {"apart": 1},
    ):
        path = tmp_path / "x.value"
        header = Header(slug="x", state="Success")
        facts = {name: getattr(header, name) for name in entry._FIELDS} | wrong
        packed = json.dumps(facts).encode()
        digest = entry._head_digest(packed).digest()
        path.write_bytes(entry.MAGIC + packed + entry._FOOTER.pack(len(packed), digest))
        path.chmod(0o600)

        with pytest.raises(DamagedStoreError):
            read_header(path)


def test_another_version_of_python_does_not_unpickle_it(flow, store, monkeypatch):
    monkeypatch.setattr(entry, "PYTHON", "3.99")

    with pytest.raises(NotKeptError, match=r"Python 3\.\d+ pickled it, and this is Python 3\.99"):
        read_all(flow)


def test_a_file_that_changes_between_two_looks_is_refused(flow, store):
    run = flow.stored_runs()[0]
    (one,) = run.states
    write_value(value_file(store), Header(slug="trap-1", state="Success", message="other"), Trap())

    with pytest.raises(DamagedStoreError, match="changed while it was in use"):
        _ = run.results[one]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(flow, store, mode):
    value_file(store).chmod(mode)

    with pytest.raises(UntrustedStoreError, match="can be written by other users"):
        read_all(flow)


@pytest.mark.parametrize("which", ["flow", "run"])
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_refused(flow, store, which, mode):
    folder = store / "f" if which == "flow" else run_folder(store)
    folder.chmod(mode)

    with pytest.raises(UntrustedStoreError, match="can be written by other users"):
        read_all(flow)


def test_what_belongs_to_another_user_is_refused(flow, monkeypatch):
    other = os.getuid() + 1
    monkeypatch.setattr(secure_files.os, "getuid", lambda: other)  # so that all files are somebody else's

    with pytest.raises(UntrustedStoreError, match="belongs to another user"):
        read_all(flow)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", ["flow", "run", "facts", "value"])
def test_what_was_given_away_is_refused(flow, store, which):
    paths = {
        "flow": store / "f",
        "run": run_folder(store),
        "facts": run_folder(store) / "run.json",
        "value": value_file(store),
    }
    os.chown(paths[which], 12345, -1)

    with pytest.raises(UntrustedStoreError, match="belongs to another user"):
        read_all(flow)


def test_nothing_is_kept_in_a_folder_that_others_may_write_to(store):
    (store / "f").mkdir(parents=True)
    (store / "f").chmod(0o777)
    flow = Flow("f", store=store, tasks=[task(lambda: 1, name="t")])

    with pytest.warns(RuntimeWarning, match="can be written by other users"):
        flow.run()
    assert list((store / "f").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_refused(flow, store, tmp_path):
    path = value_file(store)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreUnavailableError):
        read_all(flow)


def test_a_link_in_the_place_of_a_folder_is_refused(flow, store, tmp_path):
    (store / "f").rename(tmp_path / "elsewhere")
    (store / "f").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UntrustedStoreError, match="not a folder"):
        read_all(flow)


def test_a_pipe_in_the_place_of_a_file_does_not_hold_anybody_up(flow, store):
    path = value_file(store)
    path.unlink()
    os.mkfifo(path, 0o600)

    with pytest.raises(UntrustedStoreError, match="not an ordinary file"):
        read_all(flow)


def test_a_folder_in_the_place_of_a_file_is_refused(flow, store):
    path = value_file(store)
    path.unlink()
    path.mkdir()

    with pytest.raises(StoreError):
        read_all(flow)


def test_strange_things_beside_the_runs_are_left_alone(flow, store):
    strange = ["notes.txt", "000009", "x-1", "000002-without-facts"]
    for name in strange:
        (store / "f" / name).mkdir()
    (run_folder(store) / "half.value.1-ff.partial").write_bytes(b"left by a dead kernel")

    assert len(flow.stored_runs()) == 1
    assert all((store / "f" / name).exists() for name in strange)


def test_errors_survive_pickling(flow, store):
    value_file(store).chmod(0o666)
    with pytest.raises(UntrustedStoreError) as caught:
        read_all(flow)

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_writer_that_dies_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.value"
    written = write_value(path, Header(slug="x", state="Success"), 1)

    write_value(path, Header(slug="x", state="Success"), 2, may_commit=lambda: False)

    assert read_value(path, written) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["x.value"]


def test_names_say_what_they_are_and_never_meet():
    assert safe_name("etl") == "etl"
    assert "/" not in safe_name("../x")
    assert safe_name("a/b") != safe_name("a_b")
    assert number_of(run_name(7, "ab12")) == 7
    assert number_of(run_name(7, "../../x y.z")) == 7
    assert number_of("notes") is None
    assert value_name("x", 1) != value_name("x.1")
