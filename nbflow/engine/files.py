"""The state of a file, and the files of a task: what a rerun compares to tell whether a file has changed since.

Size and time are looked at first. Content decides where they leave a doubt: a file that was only touched has not
changed, and one that was written again within the tick of a clock has.
"""

from __future__ import annotations

import functools
import os
import stat
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_HASHED = 256 * 2**20
"""Bytes of content that are hashed for one attempt; what goes beyond goes by size and time."""
_CHUNK = 2**20
_TICK_NS = 100_000_000  # clocks of file systems tick every few milliseconds
_COARSE_TICK_NS = 2_000_000_000  # some know whole seconds only
_MOST_KNOWN = 4_096
_known: dict[tuple[str, int, int, int], str] = {}  # the digests of files whose time tells all


class FileState(NamedTuple):
    """How a file was.

    Attributes:
        size: Its length in bytes; -1 if it was not there.
        mtime_ns: When it was changed last, in nanoseconds since the epoch; 0 if that was so shortly before that its
            content alone tells whether it has changed again.
        digest: A hash of its content; empty if that was not read.
    """

    size: int
    mtime_ns: int
    digest: str = ""


GONE = FileState(-1, 0)


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The files that a task opened, by absolute path.

    Attributes:
        inputs: What it read and had not written itself before, as it was when the task ended.
        outputs: What it wrote, as it was then; `GONE` for a file of others that it removed.
        made: Those of the outputs whose former content was of no account: it was written again.
    """

    inputs: dict[str, FileState]
    outputs: dict[str, FileState]
    made: frozenset[str] = frozenset()

    def and_then(self, later: TaskFiles) -> TaskFiles:
        """Return the files of this attempt and of a later one, as if they were one."""
        new = {path: state for path, state in later.inputs.items() if path not in self.outputs}
        made = self.made | (later.made - self.inputs.keys() - self.outputs.keys())
        return TaskFiles(self.inputs | new, self.outputs | later.outputs, made)

    def beside(self, other: TaskFiles) -> TaskFiles:
        """Return the files of two children of a mapped task."""
        return TaskFiles(self.inputs | other.inputs, self.outputs | other.outputs, (self.made | other.made))


NO_FILES = TaskFiles({}, {})


class Budget:
    """How much content may still be hashed."""

    def __init__(self, left: int = MOST_HASHED) -> None:
        self.left = left

    def takes(self, size: int) -> bool:
        """Tell whether so many bytes may be hashed, and count them."""
        if size > self.left:
            return False
        self.left -= size
        return True


def look_at(path: str, budget: Budget) -> FileState | None:
    """Return how a file is now; None for what is no ordinary file, such as a folder or a pipe."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return GONE
    if not stat.S_ISREG(found.st_mode):
        return None
    digest = _digest(path, found, budget)
    return FileState(found.st_size, 0 if digest and _is_recent(found.st_mtime_ns) else found.st_mtime_ns, digest)


def difference(path: str, state: FileState) -> str:
    """Return in which way a file is no longer as it was, as in "has changed" or "is gone"; empty if it is."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return "" if state.size < 0 else "is gone"
    if state.size < 0:
        return "is there now"
    if found.st_size == state.size and stat.S_ISREG(found.st_mode):
        if found.st_mtime_ns == state.mtime_ns:
            return ""
        if state.digest and _digest(path, found, Budget()) == state.digest:
            return ""
    return "has changed"


def shown(path: str) -> str:
    """Return a path as it is shown: from the present folder if that is shorter."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # on another drive, or the present folder is gone
        return path
    return relative if len(relative) < len(path) else path


def _is_recent(mtime_ns: int) -> bool:
    tick_ns = _TICK_NS if mtime_ns % 1_000_000_000 else _COARSE_TICK_NS
    return abs(time.time_ns() - mtime_ns) < tick_ns


def _digest(path: str, found: os.stat_result, budget: Budget) -> str:
    key = (path, found.st_size, found.st_mtime_ns, found.st_ino)
    known = _known.get(key)
    if known is not None:
        return known
    if not budget.takes(found.st_size):
        return ""
    is_recent = _is_recent(found.st_mtime_ns)
    hashed = _hash()()
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                hashed.update(chunk)
    except OSError:  # it may be written and not read, or be gone by now
        return ""
    digest = f"{hashed.name}:{hashed.hexdigest()}"
    if not is_recent:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = digest
    return digest


@functools.cache
def _hash() -> Callable[[], Any]:
    """Return what makes a hash; loaded here, since most runs need none."""
    try:
        return import_module("xxhash").xxh3_128  # type: ignore[no-any-return]
    except ImportError:
        return import_module("hashlib").blake2b  # type: ignore[no-any-return]
