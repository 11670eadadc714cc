"""Kernels that are really killed, and holdings as a run has them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from nbflow import Flow, resource_manager
from nbflow.engine.open_resources import OpenResource
from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.ledger_tracker import LedgerTracker
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from nbflow.ledger.reaper_client import ReaperClient

ROOT = Path(__file__).parents[2]


def eventually(condition: Callable[[], object], what: str = "the condition") -> object:
    """Return what `condition` gives as soon as that is true; fail when it has not been for long."""
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, f"{what} did not come true"
        time.sleep(0.005)
    return found


class Child:
    """A process with a ledger and a reaper of its own, which does as it is told."""

    def __init__(self, *flags: str, before: Sequence[str] = (), **env: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, *flags, str(Path(__file__).with_name("kernel_child.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        )
        self.warnings: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def do(self, code: str) -> object:
        """Execute code there; returns what it assigns to `value`."""
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["error"] is None, answer["error"]
        self.warnings = answer["warnings"]
        return answer["value"]

    @property
    def reaper(self) -> psutil.Process:
        pid = self.do(
            "from nbflow.ledger.process_ledger import process_ledger\nvalue = process_ledger().reaper.process[0]"
        )
        return psutil.Process(pid)

    def kill(self, *, reap: bool = True) -> None:
        self.process.kill()
        if reap:
            self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Let it end by itself."""
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*flags: str, **options: Any) -> Child:
        children.append(Child(*flags, **options))
        return children[-1]

    yield start
    for child in children:
        with suppress(Exception):
            child.process.kill()
        child.process.wait()
        child.process.stdin.close()
        child.process.stdout.close()


@pytest.fixture
def kernel(start: Callable[..., Child]) -> Child:
    return start()


@pytest.fixture
def keep(nbflow_home: Path) -> Iterator[Callable[..., SimpleNamespace]]:
    """Make a tracker of this process whose warnings are kept; it has no reaper unless it is given one."""
    made: list[LedgerSession] = []

    def keep(reaper: ReaperClient | None = None, path: Path | None = None) -> SimpleNamespace:
        told: list[str] = []
        session = LedgerSession(path or ledger_path(), Kernel.this())
        made.append(session)
        return SimpleNamespace(
            tracker=LedgerTracker("example", "run-1", session, reaper, told.append),
            session=session,
            told=told,
        )

    yield keep
    for session in made:
        session.close()


def hold(cls: type, path: str = "", **options: object) -> OpenResource:
    """Return what a run would hold of a block, before its setup."""
    with Flow("example"):
        block = resource_manager(cls, **options)("?")
    held = OpenResource(block, -1)
    held.manager = cls(path)
    return held


def log_of(folder: Path) -> list[str]:
    """Return what the managers of `tests.ledger.managers` noted."""
    log = folder / "log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
