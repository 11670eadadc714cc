"""A temporary directory as a resource."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from nbflow.core.context import context
from nbflow.core.resource import resource_manager
from nbflow.errors import OptionError
from nbflow.resources import directory

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.core.block_outcome import BlockOutcome


@resource_manager
class TemporaryDirectory:
    """A new directory for the tasks of a block; it is removed with all that is in it.

    The resource is a `pathlib.Path`. It is reclaimable: if the kernel dies, also in the middle of the setup, the
    reaper removes the directory. Its name is unguessable and fixed before it is made, and what is found there is
    removed only if it is a directory of the same user; symbolic links are never followed.

    Args:
        prefix: How the directory's name begins.
        dir: Where it is made; by default where the system keeps temporary files.
        keep_on_failure: Keep the directory when a task of the block failed, to look at what is in it; a line in the log
            of the cleanup says where it is. When the run is cancelled or the kernel dies it is removed all the same.

    Raises:
        OptionError: If the prefix contains a separator.
        OSError: If the directory cannot be made, or not be removed.

    Example::

        with Flow("report") as flow:
            with TemporaryDirectory(prefix="report-") as folder:
                total(download(folder))
    """

    def __init__(
        self, prefix: str = "nbflow-", dir: str | os.PathLike[str] | None = None, keep_on_failure: bool = False
    ) -> None:
        if os.path.basename(prefix) != prefix or "\0" in prefix:
            raise OptionError(f"prefix={prefix!r} must be the beginning of a name; give the folder as dir=")
        self.path = directory.new_path(dir if dir is not None else tempfile.gettempdir(), prefix)
        self.keep_on_failure = keep_on_failure

    def early_handle(self) -> dict[str, str]:
        """Return what finds the directory as soon as it exists."""
        return {"path": str(self.path)}

    def handle(self, path: Path) -> dict[str, str]:
        """Return what finds the directory."""
        return {"path": str(path)}

    def setup(self) -> Path:
        """Make the directory."""
        directory.make(self.path)
        return self.path

    def cleanup(self, path: Path, outcome: BlockOutcome | None = None) -> None:
        """Remove the directory, unless it is to be kept."""
        if self.keep_on_failure and outcome is not None and outcome.failed:
            context["logger"].warning("a task failed, so the directory is kept: %s", path)
            return
        directory.remove(path)

    @staticmethod
    def reclaim(handle: dict[str, str]) -> None:
        """Remove the directory, from any process."""
        directory.remove(handle["path"])
