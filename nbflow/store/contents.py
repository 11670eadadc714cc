r"""What a result is on disk: its pickle, and after it the large buffers that it refers to, as they lie in memory.

An array is written from its own memory and read into new memory, with no copy between (pickle protocol 5). What is
small goes into the file of its task. What is large gets a file of its own, named by its digest, so that whatever has
the same contents shares it::

    "nbflow-store 2\n" | pickle | buffers
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from nbflow.core.data.digest import hasher
from nbflow.store.filenames import content_name
from nbflow.store.secure_files import NewFile, in_our_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = 2
NAME = b"nbflow-store "
MAGIC = b"%s%d\n" % (NAME, FORMAT)
MOST_INLINE = 1 << 16
LEAST_BUFFER = 1 << 16  # a smaller one stays inside the pickle
_LARGEST_AT_ONCE = 1 << 24
# Classes that values may hold by module and name, and what they were called when nbflow 0.1.0 kept them.
FORMER_NAMES = {
    ("nbflow.core.outcome", "BlockOutcome"): ("nbflow.core.block_outcome", "BlockOutcome"),
    ("nbflow.core.watched", "WatchedSet"): ("nbflow.core.observed_set", "ObservedSet"),
    ("nbflow.core.missing", "MissingTask"): ("nbflow.core.placeholder_task", "PlaceholderTask"),
    ("nbflow.engine.handle", "Run"): ("nbflow.engine.run", "Run"),
    ("nbflow.notebook.cellfunction", "CellFunction"): ("nbflow.notebook.taskcell.cell_function", "CellFunction"),
    ("nbflow.notebook.namewalk", "Body"): ("nbflow.notebook.source.called_code", "Body"),
    ("nbflow.store.past", "StoredRun"): ("nbflow.store.stored_run", "StoredRun"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A result that was pickled.

    Attributes:
        not_kept: Why it could not be; empty if it could.
        size: How many bytes it has.
        digest: Of these bytes.
        buffers: The size of each buffer after the pickle; negative if it is not to be written to.
        data: The bytes; None if they are in a file of their own.
    """

    not_kept: str = ""
    size: int = 0
    digest: str = ""
    buffers: list[int] = field(default_factory=list)
    data: bytes | None = b""


class Pickled:
    """A value that is pickled: into memory as long as it is small, then into a file.

    Args:
        folder: Where a file for it goes.
        value: The value.
        most_in_memory: How many bytes of it may be in memory.
        tick: Called again and again while it goes forward.

    Raises:
        StoreUnavailableError: If a file for it cannot be written.
    """

    def __init__(
        self, folder: Path, value: Any, *, most_in_memory: int = MOST_INLINE, tick: Callable[[], None] = lambda: None
    ) -> None:
        self._tick = tick
        self._folder = folder
        self._most = most_in_memory
        self._chunks: list[bytes] = []
        self._file: NewFile | None = None
        self._error: OSError | None = None  # the disk's, to be told from what a user's class raises
        self._digest = hasher()
        self._buffers: list[pickle.PickleBuffer] = []
        self._sizes: list[int] = []
        self.size = 0
        self.not_kept = ""
        with in_our_words(folder):
            try:
                self._pickle(value)
            except BaseException:
                self.discard()
                raise
        self._buffers.clear()

    def _pickle(self, value: Any) -> None:
        import cloudpickle

        try:
            cloudpickle.Pickler(self, protocol=5, buffer_callback=self._stays_inside).dump(value)
            for buffer in self._buffers:
                self.write(buffer.raw())
        except BaseException as error:  # noqa: BLE001 - users' classes may raise anything when pickled
            if self._error is not None:
                raise self._error from None
            self.discard()
            self.not_kept = f"it can not be pickled ({shortly(error)})"

    def _stays_inside(self, buffer: pickle.PickleBuffer) -> bool:
        try:
            view = buffer.raw()
        except BufferError:
            return True
        if view.nbytes < LEAST_BUFFER:
            return True
        self._buffers.append(buffer)
        self._sizes.append(-view.nbytes if view.readonly else view.nbytes)
        return False

    def write(self, data: bytes | memoryview) -> int:
        """Take what the pickler gives."""
        size = memoryview(data).nbytes
        try:
            if self._file is None and self.size + size <= self._most:
                self._chunks.append(bytes(data))
            else:
                file = self._spill()
                view = memoryview(data).cast("B")
                for start in range(0, size, _LARGEST_AT_ONCE):
                    file.write(view[start : start + _LARGEST_AT_ONCE])
                    self._tick()
        except OSError as error:
            self._error = error
            raise
        self._digest.update(data)
        self._tick()
        self.size += size
        return size

    def _spill(self) -> NewFile:
        if self._file is None:
            self._file = NewFile(self._folder / "new")
            for part in (MAGIC, *self._chunks):
                self._file.write(part)
            self._chunks.clear()
        return self._file

    def kept(self) -> Contents:
        """Put it in its place, if it has one of its own.

        Raises:
            StoreUnavailableError: If that is not possible.
        """
        if self.not_kept:
            return Contents(not_kept=self.not_kept)
        digest, data = self._digest.hexdigest(), None
        with in_our_words(self._folder):
            if self._file is None and self.size <= MOST_INLINE:
                data = b"".join(self._chunks)
            else:
                path = self._folder / content_name(digest)
                try:
                    file = self._spill()
                    if path.exists():
                        file.discard()  # the same bytes
                    else:
                        file.commit(path)
                except BaseException:
                    self.discard()
                    raise
        return Contents(size=self.size, digest=digest, buffers=self._sizes, data=data)

    def discard(self) -> None:
        """Leave no trace of it."""
        self._chunks.clear()
        if self._file is not None:
            self._file.discard()


def is_whole(file: BinaryIO, size: int, digest: Any, expected: str) -> bool:
    """Tell whether the next `size` bytes of a file have a digest; `digest` is an empty one."""
    while size:
        part = file.read(min(size, _LARGEST_AT_ONCE))
        if not part:
            return False
        digest.update(part)
        size -= len(part)
    return bool(digest.hexdigest() == expected)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(*FORMER_NAMES.get((module, name), (module, name)))


def unpickle(file: BinaryIO, size: int, buffers: list[int]) -> Any:
    """Unpickle what begins where the file is now. Whatever users' classes raise gets out."""
    start = file.tell()
    file.seek(start + size - sum(map(abs, buffers)))
    found: list[bytes | bytearray] = []
    for count in buffers:
        if count < 0:
            found.append(file.read(-count))
        else:
            found.append(data := bytearray(count))
            file.readinto(data)  # type: ignore[attr-defined]
    file.seek(start)
    return _Unpickler(file, buffers=found).load()


def shortly(error: BaseException) -> str:
    """Return the type and the beginning of the text of what users' code raised."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - users' classes
        text = ""
    text = " ".join(text.split())
    return f"{type(error).__name__}: {text}"[:200]
