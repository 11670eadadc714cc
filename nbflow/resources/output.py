"""What a process prints: read as it comes, so that the process never waits, and kept as far as it is of use."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import re

_CHUNK = 65_536


class Output:
    """Reads a pipe on a thread of its own and keeps the end of what came.

    Args:
        source: The end of the pipe to read; it is closed when the reading is over.
        limit: How many characters are kept.
        pattern: What is looked for in all that comes.
        copy: A file that gets everything, and is closed at the end.

    Attributes:
        matched: Whether the pattern has been found.
        error: Why the copy is not complete, if it is not.
    """

    def __init__(
        self, source: BinaryIO, *, limit: int, pattern: re.Pattern[str] | None = None, copy: BinaryIO | None = None
    ) -> None:
        self._source = source
        self._limit = limit
        self._pattern = pattern
        self._copy = copy
        self._text = ""
        self._wake, self._waker = os.pipe()
        self.matched = False
        self.error: OSError | None = None
        # A daemon: a process that holds the pipe open must not keep the kernel from ending.
        self._thread = threading.Thread(target=self._read, name="nbflow process output", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The end of what has come so far."""
        return self._text

    def drain(self, timeout_s: float) -> None:
        """Wait until all has been read that an ended process has left in the pipe."""
        self._thread.join(timeout_s)

    def close(self) -> None:
        """Read what is there and stop, even if somebody holds the other end open; may be called again."""
        if self._waker >= 0:
            waker, self._waker = self._waker, -1
            os.close(waker)
        self._thread.join()

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        source = self._source.fileno()
        poll = select.poll()
        poll.register(source, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            is_told = False
            while not is_told:
                # Told to stop, what is in the pipe already is still taken: it holds no more than a chunk.
                ready = dict(poll.poll())
                is_told = self._wake in ready
                if source in ready:
                    chunk = os.read(source, _CHUNK)
                    if not chunk:
                        return
                    self._add(decoder.decode(chunk))
                    self._write(chunk)
        finally:
            self._source.close()
            os.close(self._wake)
            self._close_copy()

    def _write(self, chunk: bytes) -> None:
        if self._copy is None:
            return
        try:
            self._copy.write(chunk)
            self._copy.flush()
        except OSError as error:
            # The process goes on all the same; the cleanup tells.
            self.error = error
            self._close_copy()

    def _close_copy(self) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            with contextlib.suppress(OSError):  # it was flushed after each chunk
                copy.close()

    def _add(self, text: str) -> None:
        whole = self._text + text
        if self._pattern is not None and not self.matched:
            self.matched = self._pattern.search(whole) is not None
        self._text = whole[-self._limit :]
