r"""One task of a run on disk: what became of it and, if it can be pickled, its result.

::

    "nbflow-store 1\n" | pickle (may be empty) | header (JSON) | footer: length of the header, its digest

The header comes last, since what it says of the pickle (size, digest) is known only then. It is read and checked
without touching the pickle; the pickle is read only after its own digest was found right.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, BinaryIO

from nbflow.errors import DamagedStoreError, NewerStoreError, NotKeptError
from nbflow.store.private import NewFile, in_our_words, reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = 1
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_NAME = b"nbflow-store "
_MAGIC = b"%s%d\n" % (_NAME, FORMAT)
_FOOTER = struct.Struct(">Q16s")
ANEW = "a resource is not kept, it is set up anew"
_LARGEST_HEADER = 1 << 26
_LARGEST_AT_ONCE = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of a task, or of one child of a mapped one, without unpickling anything.

    Attributes:
        slug: The task.
        index: Which child; None for the task itself.
        run: The id of the run that computed it; empty if it was given to one.
        state: The name of the state's class.
        message: The message of the state.
        code: The fingerprint of the task's code; empty if that is not known.
        inputs: Where each argument came from, and the fingerprints of constants.
        source: Where the value came from: ``"computed"``, ``"cached"``, ``"edited"`` ...
        children: How many children a mapped task has.
        began: When it was first started, in seconds since the epoch.
        ended: When it ended.
        not_kept: Why there is no result here; empty if there is one.
        python: The version of Python that pickled it.
        size: How many bytes the pickle has.
        digest: The pickle's digest.
    """

    slug: str
    index: int | None = None
    run: str = ""
    state: str = ""
    message: str | None = None
    code: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    source: str = "computed"
    children: int | None = None
    began: float | None = None
    ended: float | None = None
    not_kept: str = ""
    python: str = PYTHON
    size: int = 0
    digest: str = ""


_FIELDS = tuple(one.name for one in fields(Header))
_KINDS: dict[str, tuple[type, ...]] = {
    "index": (int, type(None)),
    "message": (str, type(None)),
    "inputs": (dict,),
    "children": (int, type(None)),
    "began": (int, float, type(None)),
    "ended": (int, float, type(None)),
    "size": (int,),
}


class _Sink:
    """What a pickler writes into: a file, and a digest of what goes there."""

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self.size = 0
        self.digest = _new_digest()
        self.error: OSError | None = None  # the disk's, to be told from what a user's class raises

    def write(self, data: bytes | memoryview) -> int:
        size = memoryview(data).nbytes
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        self.size += size
        return size


def write_entry(
    path: Path,
    header: Header,
    value: Any = None,
    *,
    may_commit: Callable[[], bool] = lambda: True,
) -> Header:
    """Write a task's entry with its result, or with the reason why that cannot be pickled.

    Args:
        path: The file; what is there is replaced, at once or not at all.
        header: What is known of it; with `not_kept` set the value is not looked at.
        value: The result.
        may_commit: Asked when all is written: whether it still counts.

    Returns:
        The header as it was written.

    Raises:
        StoreUnavailableError: If it cannot be written.
    """
    with in_our_words(path):
        new = NewFile(path)
        try:
            new.write(_MAGIC)
            sink = _Sink(new)
            reason = header.not_kept or _pickle(value, sink)
            if reason:
                new.discard()
                new = NewFile(path)
                new.write(_MAGIC)
                sink = _Sink(new)
            facts = {name: getattr(header, name) for name in _FIELDS} | {
                "not_kept": reason,
                "size": sink.size,
                "digest": sink.digest.hexdigest(),
            }
            written = Header(**facts)
            packed = json.dumps(facts).encode("ascii")
            new.write(packed)
            new.write(_FOOTER.pack(len(packed), _new_digest(packed).digest()))
            if may_commit():
                new.commit()
                return written
        except BaseException:
            new.discard()
            raise
        new.discard()
        return written


def _pickle(value: Any, sink: _Sink) -> str:
    """Pickle a value; returns why that was not possible, or nothing."""
    import cloudpickle

    try:
        cloudpickle.dump(value, sink, protocol=5)
    except BaseException as error:  # noqa: BLE001 - users' classes may raise anything when pickled
        if sink.error is not None:
            raise sink.error from None
        return f"it can not be pickled ({_shortly(error)})"
    return ""


def read_header(path: Path) -> Header:
    """Read what is known of a task; nothing is unpickled.

    Raises:
        StoreUnavailableError: If it cannot be read, is damaged, newer, or can be somebody else's.
    """
    with reading(path) as file:
        return _header(path, file)


def read_value(path: Path, expected: Header) -> Any:
    """Unpickle a result, after everything about the file was found right.

    Args:
        path: The file.
        expected: The header as it was read before.

    Raises:
        NotKeptError: If it was not kept, or cannot be unpickled here.
        StoreUnavailableError: If the file cannot be read, is damaged, newer, or can be somebody else's.
    """
    with reading(path) as file:
        header = _header(path, file)
        if header != expected:
            raise DamagedStoreError(str(path), "it changed while it was in use")
        if header.not_kept:
            raise NotKeptError(header.slug, header.not_kept)
        if header.python != PYTHON:  # what is pickled by value is bytecode, which another version may die of
            raise NotKeptError(header.slug, f"Python {header.python} pickled it, and this is Python {PYTHON}")
        _check_pickle(path, file, header)
        file.seek(len(_MAGIC))
        return _unpickle(file, header)


def _unpickle(file: BinaryIO, header: Header) -> Any:
    import pickle

    try:
        return pickle.load(file)
    except Exception as error:
        raise NotKeptError(header.slug, f"it can not be unpickled here ({_shortly(error)})") from error


def _check_pickle(path: Path, file: BinaryIO, header: Header) -> None:
    digest, left = _new_digest(), header.size
    file.seek(len(_MAGIC))
    while left:
        part = file.read(min(left, _LARGEST_AT_ONCE))
        if not part:
            break
        digest.update(part)
        left -= len(part)
    if left or digest.hexdigest() != header.digest:
        raise DamagedStoreError(str(path), "its contents are not what was written")


def _header(path: Path, file: BinaryIO) -> Header:
    check_format(path, file.read(len(_MAGIC)))
    size = os.fstat(file.fileno()).st_size
    if size < len(_MAGIC) + _FOOTER.size:
        raise DamagedStoreError(str(path), "it was cut short")
    file.seek(size - _FOOTER.size)
    length, digest = _FOOTER.unpack(file.read(_FOOTER.size))
    if length > min(size - len(_MAGIC) - _FOOTER.size, _LARGEST_HEADER):
        raise DamagedStoreError(str(path), "it was cut short or overwritten")
    file.seek(size - _FOOTER.size - length)
    packed = file.read(length)
    if _new_digest(packed).digest() != digest:
        raise DamagedStoreError(str(path), "its header is not what was written")
    header = _unpacked(path, packed)
    if header.size != size - len(_MAGIC) - _FOOTER.size - length:
        raise DamagedStoreError(str(path), "its size is not what its header says")
    return header


def check_format(path: Path, start: bytes) -> None:
    """Refuse what is no file of a store, or one of a newer nbflow."""
    if start == _MAGIC:
        return
    version = start.removeprefix(_NAME).strip()
    if start.startswith(_NAME) and version.isdigit():
        raise NewerStoreError(str(path), f"format {version.decode()}, this one knows {FORMAT}")
    raise DamagedStoreError(str(path), "it does not begin like a file of a store")


def _unpacked(path: Path, packed: bytes) -> Header:
    try:
        facts = json.loads(packed)
        header = Header(**facts)
        strange = [n for n in facts if not isinstance(facts[n], _KINDS.get(n, (str,)))]
        if strange or not all(isinstance(one, str) for one in header.inputs.values()):
            raise TypeError(f"{strange or 'inputs'} of an unexpected type")
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedStoreError(str(path), f"its header can not be read ({error})") from error
    return header


def _new_digest(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=16)


def _shortly(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - users' classes
        text = ""
    text = " ".join(text.split())
    return f"{type(error).__name__}: {text}"[:200]
