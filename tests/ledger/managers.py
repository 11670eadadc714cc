"""Managers that another process can import; what they do is seen in folders and in a log."""

from __future__ import annotations

import os
import time
from pathlib import Path

from nbflow import resource_manager


class Folder:
    """A folder; its removal is logged in the folder above."""

    def __init__(self, path: str) -> None:
        self.path = path

    def setup(self) -> str:
        os.mkdir(self.path)
        return self.path

    def cleanup(self, path: str) -> None:
        note(path, "cleaned")
        os.rmdir(path)

    def handle(self, path: str) -> str:
        return path

    @staticmethod
    def reclaim(handle: str) -> None:
        if os.path.exists(handle):
            note(handle, "reclaimed")
            os.rmdir(handle)


Decorated = resource_manager(Folder)


@resource_manager
class OnlyDecorated(Folder):
    """Its class is found in its module only inside of what the decorator made of it."""


class Plain:
    """Has no handle."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.is_broken = False

    def setup(self) -> str:
        return self.path

    def cleanup(self, path: str) -> None:
        if self.is_broken:
            raise OSError("still broken")


class Early(Folder):
    """Is found by the name it will have."""

    def early_handle(self) -> str:
        return self.path


class Hanging(Folder):
    """Cannot be reclaimed in time."""

    @staticmethod
    def reclaim(handle: str) -> None:
        note(handle, "hanging")
        time.sleep(600)


class HangingOnce(Folder):
    """The one named "first" cannot be reclaimed before somebody lets go."""

    @staticmethod
    def reclaim(handle: str) -> None:
        if os.path.basename(handle) == "first":
            note(handle, "hanging")
            while not os.path.exists(os.path.join(os.path.dirname(handle), "let go")):
                time.sleep(0.01)


def let_go(folder: Path) -> None:
    """End what hangs in `HangingOnce`."""
    (folder / "let go").touch()


class Ending(Folder):
    """Its reclaim ends its process."""

    @staticmethod
    def reclaim(handle: str) -> None:
        os._exit(7)


class Refusing(Folder):
    """Cannot be reclaimed."""

    @staticmethod
    def reclaim(handle: str) -> None:
        raise OSError(f"no rights to remove {Path(handle).name}")


class Unhandy(Folder):
    """Its `handle` raises."""

    def handle(self, path: str) -> str:
        raise OSError("no idea where")


class Objective(Folder):
    """Its `handle` is no plain data."""

    def handle(self, path: str) -> object:
        return {"path": Path(path)}


class Numbered(Folder):
    """Its `handle` would have other keys when it is read again."""

    def handle(self, path: str) -> object:
        return {1: path}


class Asking(Folder):
    """Its `reclaim` is a method."""

    def reclaim(self, handle: str) -> None:  # type: ignore[override]
        raise AssertionError


def note(path: str, what: str) -> None:
    """Append to the log beside a folder."""
    with open(os.path.join(os.path.dirname(path), "log"), "a", encoding="utf-8") as log:
        log.write(f"{what} {os.path.basename(path)}\n")
