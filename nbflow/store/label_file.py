"""The name, tags and note of a stored run: a small file of their own, since they may be changed long after it ended.

A run that nobody has labelled has none. An older nbflow does not look at the file, so that the store keeps its format.
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

from nbflow.engine.run_label import checked_name, checked_note, checked_tags, default_name
from nbflow.errors import DamagedStoreError, NbflowError, NewerStoreError
from nbflow.store.filenames import FACTS, LABEL
from nbflow.store.secure_files import reading, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.run_label import Labelled

_FORMAT = 1
_LARGEST = 1 << 24


class LabelFile:
    """Keeps the label of one run; from any thread.

    Args:
        folder: The folder of the run.
        run: The run, whose label is read when it is written.
    """

    def __init__(self, folder: Path, run: Labelled) -> None:
        self._folder = folder
        self._run = run
        self._lock = threading.Lock()  # whoever writes last has read last

    def write(self) -> None:
        """Write the label as it is now.

        Raises:
            StoreUnavailableError: If it cannot be written.
        """
        run = self._run
        with self._lock:
            label = {"format": _FORMAT, "name": run.name, "tags": list(run.tags), "note": run.note}
            write_whole(self._folder / LABEL, json.dumps(label, indent=1).encode("ascii"))

    def update(self) -> None:
        """Write it if the run is on disk: before it has begun it is not, and an old one may be there no more.

        Raises:
            StoreUnavailableError: If it cannot be written.
        """
        if os.path.lexists(self._folder / FACTS):
            self.write()


def read_label(folder: Path, flow: str, number: int) -> dict[str, Any]:
    """Return the name, tags and note of the run in a folder.

    Raises:
        StoreUnavailableError: If they cannot be read, are damaged, newer, or can be somebody else's.
    """
    path = folder / LABEL
    if not os.path.lexists(path):
        return {"name": default_name(flow, number), "tags": (), "note": ""}
    with reading(path) as file:
        text = file.read(_LARGEST)
    try:
        found = json.loads(text)
        version = found["format"]
        if type(version) is not int:
            raise TypeError("its format is no number")
        if version <= _FORMAT:
            return {
                "name": checked_name(found["name"]),
                "tags": checked_tags(found["tags"]),
                "note": checked_note(found["note"]),
            }
    except (ValueError, TypeError, KeyError, RecursionError, NbflowError) as error:
        raise DamagedStoreError(str(path), f"it can not be read ({error})") from error
    raise NewerStoreError(str(path), f"format {version}, this one knows {_FORMAT}")
