"""Shared by all layers: what must be installed for which mark, and isolation from the user's own things."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sys
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from nbflow.executors import DaskExecutor, ProcessExecutor
from nbflow.flow import launch
from scripts.test import FOLDERS, ONLY, ROOT
from tests.executors.keeping_cluster import KeepingCluster
from tests.executors.simulated_cluster import SimulatedCluster

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path
    from types import FrameType

    from IPython.core.interactiveshell import InteractiveShell

# No deadline: how fast one example is says nothing on a busy machine. Derandomised by default, so that a failure
# is the change's and not the day's; `thorough` looks for new ones.
settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

CLUSTER = "simulated cluster"
KEEPING_CLUSTER = "simulated cluster that keeps values"
# On the simulated cluster one thing happens at a time: what waits in a task for another one, for the clock or for a
# person waits for ever.
AT_ONCE = {
    *("test_asynchronous_resources.py", "test_timeouts.py", "test_holding.py", "test_pausing.py", "test_limits.py"),
    *("test_work_in_other_threads.py", "test_forks.py", "test_termination.py", "test_kept_resources.py"),
    *("test_only_the_stop_ends_a_run.py", "test_memory.py", "test_clean_starts.py", "test_changed_values.py"),
    *("test_step_block.py", "test_context.py", "test_home_of_values.py", "test_command.py"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Return the browser that the browser tests drive, or None."""
    return os.environ.get("NBFLOW_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def missing_for(marks: set[str]) -> str | None:
    """Return why tests with these marks cannot run here, or None when they can."""
    if "browser" in marks and find_chromium() is None:
        return "NO BROWSER: install chromium, or set NBFLOW_CHROMIUM to one"
    if "exe" in marks and shutil.which("dot") is None:
        return "NO `dot`: install graphviz"
    return None


def executors_of(test: pytest.Function) -> list[Any]:
    """Return where the tasks of a test run: what a flow comes to must not depend on it."""
    here: list[Any] = ["inline", "threads"]
    if _reason(test, "one_memory"):
        return here
    elsewhere = ["processes"] if test.path.name in AT_ONCE else ["processes", CLUSTER, KEEPING_CLUSTER]
    if _reason(test, "one_home"):
        return [*here, *(pytest.param(name, marks=pytest.mark.elsewhere) for name in elsewhere)]
    marked = [pytest.param(name, marks=pytest.mark.elsewhere) for name in elsewhere]
    return [*here, *marked, pytest.param("dask", marks=pytest.mark.cluster)]


def _reason(test: pytest.Function, name: str) -> str:
    mark = test.get_closest_marker(name)
    if mark is None:
        return ""
    if not (mark.args and isinstance(mark.args[0], str)):
        raise pytest.UsageError(f"{test.nodeid}: the mark {name} needs a reason")
    return mark.args[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "executor" in metafunc.fixturenames and not _gives_executor(metafunc.definition):
        metafunc.parametrize("executor", executors_of(metafunc.definition), indirect=True)


def _gives_executor(test: pytest.Function) -> bool:
    return any("executor" in str(mark.args[0]) for mark in test.iter_markers("parametrize"))


@pytest.fixture(scope="session")
def _processes() -> Iterator[ProcessExecutor]:
    """Worker processes that wait for the next test: to start them takes longer than most tests."""
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="session")
def dask_client() -> Iterator[Any]:
    """A client of a Dask cluster of two worker processes that all tests share."""
    with _client_of(2) as client:
        yield client


@pytest.fixture(scope="session")
def lone_dask_client() -> Iterator[Any]:
    """A client of a Dask cluster of one worker process, for tests that ask what one process does."""
    with _client_of(1) as client:
        yield client


@contextmanager
def _client_of(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    theirs = logging.getLogger("distributed").handlers
    levels = {one: one.level for one in theirs}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster, set_as_default=False) as client:
        # It has silenced all that listen to its logger, pytest's own among them, which listen to every other one too.
        for one in theirs:
            if one in logging.root.handlers:
                one.setLevel(levels.get(one, logging.NOTSET))
        yield client


@pytest.fixture
def _cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(2).faked() as cluster:
        yield cluster


@pytest.fixture
def _keeping_cluster() -> Iterator[KeepingCluster]:
    with KeepingCluster(2).faked() as cluster:
        yield cluster


@pytest.fixture
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each executor by its name; those that run tasks elsewhere are a layer of their own."""
    if request.param == "processes":
        waiting = request.getfixturevalue("_processes")
        monkeypatch.setitem(launch.EXECUTORS, "processes", lambda: waiting)
    if request.param == CLUSTER:
        cluster = request.getfixturevalue("_cluster")
        monkeypatch.setitem(launch.EXECUTORS, CLUSTER, lambda: cluster)
    if request.param == "dask":
        client = request.getfixturevalue("dask_client")
        monkeypatch.setitem(launch.EXECUTORS, "dask", lambda: DaskExecutor(client=client))
    if request.param == KEEPING_CLUSTER:
        keeping = request.getfixturevalue("_keeping_cluster")
        monkeypatch.setitem(launch.EXECUTORS, KEEPING_CLUSTER, lambda: keeping)
    return str(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Leave the thousands of tests, and what they import, out of the garbage collector's searches.

    Each run that ends asks who holds the run before (`engine/holders.py`), which otherwise goes through all of them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def misplaced(folder: str, marks: frozenset[str]) -> str | None:
    """Return why no layer, or the wrong one, would play a test of this folder or file with these marks, or None."""
    for mark, places in FOLDERS.items():
        if mark in marks and not any(PurePath(folder).is_relative_to(place) for place in places):
            return f"tests marked {mark} are in {', '.join(places)} only: move it, or tell FOLDERS of scripts/test.py"
    for place, mark in ONLY.items():
        if mark not in marks and PurePath(folder).is_relative_to(place):
            return f"all tests in {place} are marked {mark}: move it, or tell ONLY of scripts/test.py"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marks = frozenset(mark.name for mark in item.iter_markers())
        if reason := misplaced(item.path.relative_to(ROOT).as_posix(), marks):
            raise pytest.UsageError(f"{item.nodeid}: {reason}")
    if os.environ.get("NBFLOW_REQUIRE_ALL"):
        return  # then they fail
    for item in items:
        if reason := missing_for({mark.name for mark in item.iter_markers()}):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_is_no_garbage() -> None:
    """Leave out of them what the tests of other modules have imported and keep, too.

    Not once there is a shell: who holds a value through it is what some tests ask.
    """
    interactive = sys.modules.get("IPython.core.interactiveshell")
    if interactive is None or not interactive.InteractiveShell.initialized():
        gc.collect()
        gc.freeze()


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    """Do nothing; unlike SIG_IGN this is not inherited by the processes that a test starts."""


@pytest.fixture(scope="session", autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Undo for the tests, and for what they start, what `nohup` or a script's `&` did: signals that are ignored.

    An interrupt is raised here; a hangup of the terminal still does not end the tests.
    """
    needed = {"SIGINT": signal.default_int_handler, "SIGQUIT": _take_no_notice, "SIGHUP": _take_no_notice}
    ignored = [
        getattr(signal, name)
        for name in needed
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, needed[number.name])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Jupyter, IPython and Dask, also in child processes, away from the user's own folders."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBFLOW_HOME", str(home / "nbflow"))
        for name in (
            "IPYTHONDIR",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "DASK_CONFIG",
        ):
            folder = home / name.lower()
            folder.mkdir()
            patch.setenv(name, str(folder))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield


@pytest.fixture(autouse=True)
def nbflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of nbflow for this test alone; it is made by whoever writes to it first."""
    home = tmp_path / "nbflow-home"
    monkeypatch.setenv("NBFLOW_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _no_layout_is_known() -> None:
    """Let every test that draws ask the layout engine, as if it were the first to draw."""
    layout = sys.modules.get("nbflow.render.layout")
    if layout is not None:
        layout.known_places.clear()


@pytest.fixture(scope="session")
def _session_shell() -> Iterator[InteractiveShell]:
    """One shell for the session: a second one would leave broken atexit hooks."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.term_title = False
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()  # it ends itself at the end of the process


@pytest.fixture
def shell(_session_shell: InteractiveShell) -> Iterator[InteractiveShell]:
    """A clean IPython shell: `shell.run_cell(code)`, `shell.run_line_magic(name, line)`, `shell.user_ns`."""
    shell = _session_shell
    shell.reset(new_session=True)
    yield shell
    if "nbflow" in (shell.extension_manager.loaded or ()):
        shell.extension_manager.unload_extension("nbflow")
    shell.reset(new_session=True)
