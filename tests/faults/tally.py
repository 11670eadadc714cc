"""Accounts for every resource of a round: what the log says of it, what is there, and what the ledger lists."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from tests.faults.workload import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.faults.kernels import Marked

ANNOUNCED = {"Scratch", "Slow", "Server", "Insider", "Hasty", "Broken", "Deaf", "Aired"}
RECLAIMABLE = ANNOUNCED | {"Late", "Fork"}
READY_MADE = ("TemporaryDirectory", "Subprocess", "DaskCluster")
CLOSING_S = 2.0  # on a busy machine, from the last line of a cleanup until the reaper must know about it
NOTICED_S = 2.0  # on a busy machine, by so much may the reaper see the kernel's end before we do
FATES = ("run", "reclaimed", "listed", "left", "twice")


@dataclass(frozen=True)
class Step:
    """One line of the log."""

    at: float
    pid: int
    word: str
    token: str
    more: str = ""

    @classmethod
    def read(cls, line: str) -> Step:
        at, pid, word, token, *more = line.split()
        return cls(float(at), int(pid), word, token, *more)


@dataclass(frozen=True)
class Life:
    """All that the log says of one resource."""

    token: str
    steps: tuple[Step, ...]

    @property
    def kind(self) -> str:
        return self.token.partition("-")[0]

    @property
    def began(self) -> bool:
        """Whether there may ever have been anything."""
        return self.count("making") > 0

    @property
    def closings(self) -> int:
        """How often the run has cleaned it up, or undone half of its setup."""
        return self.count("cleaned") + self.count("undone")

    @property
    def reclaims(self) -> int:
        return self.count("reclaimed")

    def count(self, word: str) -> int:
        return sum(step.word == word for step in self.steps)

    def last(self, *words: str) -> float:
        return max((step.at for step in self.steps if step.word in words), default=0.0)

    def first(self, *words: str) -> float:
        return min((step.at for step in self.steps if step.word in words), default=0.0)

    def __str__(self) -> str:
        return " ".join(step.word for step in self.steps)


def lives(lines: Iterable[str]) -> list[Life]:
    """Sort the lines of a log by the resource that they speak of, in the order in which they were made."""
    steps: dict[str, list[Step]] = {}
    for step in map(Step.read, lines):
        if step.token != "-":
            steps.setdefault(step.token, []).append(step)
    return [Life(token, tuple(found)) for token, found in steps.items()]


@dataclass(frozen=True)
class Ended:
    """How a round ended, as far as it matters to what may be left.

    Attributes:
        died_at: When the kernel was gone, in seconds since the epoch.
        cut_off: Whether the run was given no time, or not enough, to clean up all of it.
        given_up_at: From when on the run may have handed its resources to the reaper, or 0 if never.
        hold_s: How long a line may have been held.
    """

    died_at: float
    cut_off: bool
    given_up_at: float = 0.0
    hold_s: float = 0.0


@dataclass
class Tally:
    """What became of the resources.

    Attributes:
        fates: How many were cleaned by the run, reclaimed, listed, left or cleaned twice.
        problems: Each thing that must not be, in words.
    """

    fates: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def resources(self) -> int:
        return sum(self.fates.values())

    def add(self, fate: str, what: str = "") -> None:
        self.fates[fate] += 1
        if fate in ("left", "twice"):
            self.problems.append(f"{fate.upper()}: {what}")


def take_tally(kernel: Marked, rows: Sequence[Any], ended: Ended) -> Tally:
    """Account for everything that a round has made.

    Args:
        kernel: In which it was made.
        rows: All rows that the ledger has of the round's flow.
        ended: How it ended.
    """
    account = Tally()
    ready, rows = _ready_made(rows), [row for row in rows if row.until is None]
    processes = {process.pid: _token_of(process) for process in kernel.left()}
    listed = Counter(row.manager for row in rows)
    explained: set[int] = set()
    for life in lives(kernel.lines()):
        pids = _pids_of(life, processes)
        explained.update(pids)
        is_there = bool(pids) or (kernel.folder / "rooms" / life.token).exists()
        fate, why = _fate(life, is_there=is_there, can_be_listed=listed[life.kind] > 0, ended=ended)
        if fate == "listed":
            listed[life.kind] -= 1
        if fate:
            account.add(fate, f"{life.token}: {why} ({life})")
    account.fates.update(ready)
    account.problems += [f"LEFT: temporary folder {path.name}" for path in _left_in(kernel.folder / "tmp")]
    for pid in processes.keys() - explained:
        with contextlib.suppress(psutil.Error):
            account.add("left", f"process {pid}: {' '.join(psutil.Process(pid).cmdline())}")
    _account_for_rows(account, rows, ended)
    return account


def _fate(life: Life, *, is_there: bool, can_be_listed: bool, ended: Ended) -> tuple[str, str]:
    if not life.began:
        if is_there:
            return "left", "it was never set up, but it is there"
        return ("reclaimed", "") if life.reclaims else ("", "")
    if life.closings > 1:
        return "twice", f"closed {life.closings} times by the run"
    if life.reclaims > 1 and not (life.count("raised") and ended.cut_off):  # the first could not be noted any more
        return "twice", f"reclaimed {life.reclaims} times"
    if life.reclaims and not _may_reclaim(life, ended):
        return "twice", "reclaimed although the run had, or could have, cleaned it up"
    if life.closings or life.reclaims:
        if is_there:
            return "left", "still there after all"
        return ("run", "") if life.closings else ("reclaimed", "")
    known = life.kind in (RECLAIMABLE if life.count("handle") else ANNOUNCED)
    if can_be_listed and (ended.cut_off or ended.given_up_at) and not known:
        return "listed", ""
    # Until its handle is registered, which is a moment later than the line about it.
    if can_be_listed and ended.cut_off and life.kind not in ANNOUNCED and not life.count("reclaiming"):
        return "listed", ""
    return "left", "nobody has cleaned it up" + (", and it is there" if is_there else "")


def _may_reclaim(life: Life, ended: Ended) -> bool:
    """Whether the reaper was right to do it: never to the living, and not once the run had done it."""
    if life.count("raised"):  # by the run itself, at once
        return not life.closings
    began = life.first("reclaiming")
    closed = life.last("cleaned", "undone")
    if ended.given_up_at and began >= ended.given_up_at:
        return not closed or closed > began - CLOSING_S  # a cleanup that nobody could stop any more
    if began < ended.died_at - NOTICED_S:
        return False
    if not ended.cut_off and not ended.given_up_at:  # the run is over, and so has told the reaper
        return not closed
    return not closed or ended.died_at - closed < CLOSING_S + ended.hold_s


def _token_of(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(process.environ().get(TOKEN, ""))
    return ""


def _pids_of(life: Life, processes: dict[int, str]) -> set[int]:
    pids = {pid for pid, token in processes.items() if token == life.token}
    if life.kind == "Fork":
        told = {int(step.more) for step in life.steps if step.word == "set-up"}
        # One that was killed between the fork and the line: its child looks like the kernel.
        pids |= (told or {pid for pid, token in processes.items() if not token and _is_fork(pid)}) & processes.keys()
    return pids


def _is_fork(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return "ipykernel_launcher" in psutil.Process(pid).cmdline()
    return False


def _ready_made(rows: Sequence[Any]) -> Counter[str]:
    """What became of the resources of nbflow's own managers, which write no lines: the ledger says it."""
    return Counter(
        "reclaimed" if row.note.startswith("reclaimed") else "run"
        for row in rows
        if row.manager in READY_MADE and row.until is not None
    )


def _left_in(folder: Path) -> list[Path]:
    """What is left there; Dask's locks are shared by all clusters of a user, and stay."""
    paths = sorted(folder.iterdir()) if folder.exists() else []
    shared = folder / "dask-scratch-space"
    if shared in paths:
        paths.remove(shared)
        paths += [path for path in sorted(shared.iterdir()) if path.suffix != ".lock"]
    return paths


def _account_for_rows(account: Tally, rows: Sequence[Any], ended: Ended) -> None:
    """No row may be open that somebody could have closed."""
    for row in rows:
        could_reclaim = row.is_reclaimable and row.handle is not None
        may_stay = ended.cut_off or ended.given_up_at or row.state == "failed"
        if could_reclaim or not may_stay:
            account.add("left", f"row {row.id} of {row.manager} is {row.state} ({row.note})")


def remove_listed(kernel: Marked) -> None:
    """Remove what was rightly left and listed: the campaign leaves nothing."""
    for process in kernel.left():
        with contextlib.suppress(psutil.Error):
            os.kill(process.pid, 9)
