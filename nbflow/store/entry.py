r"""One task of a run on disk: what became of it and, if it can be pickled, its result.

::

    "nbflow-store 2\n" | contents (may be empty, or elsewhere) | header (JSON) | length of the header, its digest

The header comes last, since what it says of the contents (size, digest) is known only then. It is read and checked
without touching the contents; they are unpickled only after their own digest was found right.

Format 1 had the contents always here, with another digest, and knew nothing of what tasks change in place. It is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, BinaryIO

from nbflow.core.data.digest import hasher
from nbflow.errors import DamagedStoreError, NewerStoreError, NotKeptError
from nbflow.store.contents import FORMAT, MAGIC, NAME, Contents, is_whole, shortly, unpickle
from nbflow.store.filenames import content_name
from nbflow.store.metadata import wrongly_typed
from nbflow.store.secure_files import reading, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SET_UP_AGAIN = "a resource is not kept, it is set up again"
NOT_MISSED = ("", SET_UP_AGAIN, "a resource is not kept, it is set up anew")  # the last as an earlier nbflow wrote it
_FOOTER = struct.Struct(">Q16s")
_LARGEST_HEADER = 1 << 26


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
        changed: The slugs of the tasks whose values it was seen to change in place.
        met: The states of the global generators of random numbers that it met, if it draws on them.
        left: Those that it left.
        place: The name of the worker that ran it; empty: the kernel.
        not_kept: Why there is no result here; empty if there is one.
        python: The version of Python that pickled it.
        size: How many bytes the contents have.
        digest: Their digest.
        buffers: See `Contents`.
        apart: Whether they are in a file of their own, named by the digest.
        object: The same text for all that held one object in one version; empty if it cannot change.
        format: That of the file.
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
    changed: list[str] = field(default_factory=list)
    met: dict[str, Any] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    place: str = ""
    not_kept: str = ""
    python: str = PYTHON
    size: int = 0
    digest: str = ""
    buffers: list[int] = field(default_factory=list)
    apart: bool = False
    object: str = ""
    format: int = FORMAT


_FIELDS = tuple(one.name for one in fields(Header))


def write_entry(
    path: Path, header: Header, contents: Contents, *, may_commit: Callable[[], bool] = lambda: True
) -> Header:
    """Write a task's entry with its result, or with the reason why that cannot be pickled.

    Args:
        path: The file; what is there is replaced, at once or not at all.
        header: What is known of it.
        contents: The result, pickled.
        may_commit: Asked when all is written: whether it still counts.

    Returns:
        The header as it was written.

    Raises:
        StoreUnavailableError: If it cannot be written.
    """
    facts = {name: getattr(header, name) for name in _FIELDS} | {
        "not_kept": contents.not_kept,
        "size": contents.size,
        "digest": contents.digest,
        "buffers": contents.buffers,
        "apart": contents.data is None,
        "format": FORMAT,
    }
    packed = json.dumps(facts).encode("ascii")
    footer = _FOOTER.pack(len(packed), _head_digest(packed).digest())
    write_whole(path, b"".join((MAGIC, contents.data or b"", packed, footer)), may_commit=may_commit)
    return Header(**facts)


def read_header(path: Path) -> Header:
    """Read what is known of a task; nothing is unpickled.

    Raises:
        StoreUnavailableError: If it cannot be read, is damaged, newer, or can be somebody else's.
    """
    with reading(path) as file:
        return _header(path, file)


def read_value(path: Path, expected: Header) -> Any:
    """Unpickle a result, after everything about its files was found right.

    Args:
        path: The file of the task.
        expected: The header as it was read before.

    Raises:
        NotKeptError: If it was not kept, or cannot be unpickled here.
        StoreUnavailableError: If a file cannot be read, is damaged, newer, or can be somebody else's.
    """
    with reading(path) as file:
        header = _header(path, file)
        if header != expected:
            raise DamagedStoreError(str(path), "it changed while it was in use")
        if header.not_kept:
            raise NotKeptError(header.slug, header.not_kept)
        if header.python != PYTHON:  # what is pickled by value is bytecode, which another version may die of
            raise NotKeptError(header.slug, f"Python {header.python} pickled it, and this is Python {PYTHON}")
        if not header.apart:
            return _contents(path, file, header)
    path = contents_of(path, header)
    with reading(path) as file:
        check_format(path, file.read(len(MAGIC)))
        if os.fstat(file.fileno()).st_size != len(MAGIC) + header.size:
            raise DamagedStoreError(str(path), "its size is not what was written")
        return _contents(path, file, header)


def contents_of(path: Path, header: Header) -> Path:
    """Return the file that holds the contents of an entry."""
    return path.with_name(content_name(header.digest)) if header.apart else path


def _contents(path: Path, file: BinaryIO, header: Header) -> Any:
    digest = hasher() if header.format > 1 else _head_digest()
    file.seek(len(MAGIC))
    if not is_whole(file, header.size, digest, header.digest):
        raise DamagedStoreError(str(path), "its contents are not what was written")
    file.seek(len(MAGIC))
    try:
        return unpickle(file, header.size, header.buffers)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's class may raise anything
        raise NotKeptError(header.slug, f"it can not be unpickled here ({shortly(error)})") from error


def _header(path: Path, file: BinaryIO) -> Header:
    version = check_format(path, file.read(len(MAGIC)))
    size = os.fstat(file.fileno()).st_size
    if size < len(MAGIC) + _FOOTER.size:
        raise DamagedStoreError(str(path), "it was cut short")
    file.seek(size - _FOOTER.size)
    length, digest = _FOOTER.unpack(file.read(_FOOTER.size))
    if length > min(size - len(MAGIC) - _FOOTER.size, _LARGEST_HEADER):
        raise DamagedStoreError(str(path), "it was cut short or overwritten")
    file.seek(size - _FOOTER.size - length)
    packed = file.read(length)
    if _head_digest(packed).digest() != digest:
        raise DamagedStoreError(str(path), "its header is not what was written")
    header = _unpacked(path, packed, version)
    if (0 if header.apart else header.size) != size - len(MAGIC) - _FOOTER.size - length:
        raise DamagedStoreError(str(path), "its size is not what its header says")
    return header


def check_format(path: Path, start: bytes) -> int:
    """Return the format of a file that begins so; refuse what is no file of a store, or one of a newer nbflow."""
    version = start.removeprefix(NAME).strip()
    if not start.startswith(NAME) or not version.isdigit() or int(version) < 1:
        raise DamagedStoreError(str(path), "it does not begin like a file of a store")
    if int(version) > FORMAT:
        raise NewerStoreError(str(path), f"format {version.decode()}, this one knows {FORMAT}")
    return int(version)


def _unpacked(path: Path, packed: bytes, version: int) -> Header:
    try:
        facts = json.loads(packed) | {"format": version}
        header = Header(**facts)
        strange = wrongly_typed(Header, facts)
        texts = [*header.inputs.values(), *header.changed] if not strange else []
        if strange or not all(isinstance(one, str) for one in texts):
            raise TypeError(f"{strange or 'inputs'} of an unexpected type")
        if not all(type(one) is int for one in header.buffers):
            raise TypeError("buffers of an unexpected type")
        if sum(map(abs, header.buffers)) > header.size:
            raise ValueError("its buffers are larger than all of it")
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedStoreError(str(path), f"its header can not be read ({error})") from error
    return header


def _head_digest(data: bytes = b"") -> Any:
    return hashlib.blake2b(data, digest_size=16)
