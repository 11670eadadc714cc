"""What is known of a stored run as a whole: a small JSON file, and a lock that is held for as long as it goes on."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from nbflow.errors import DamagedStoreError, NewerStoreError
from nbflow.store.contents import FORMAT
from nbflow.store.filenames import FACTS, LOCK
from nbflow.store.secure_files import in_our_words, reading, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LARGEST = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a run.

    Attributes:
        flow: The name of the flow.
        id: The run's id.
        number: Its number.
        kind: ``"run"``, ``"replay"`` or ``"fork"``.
        parent: The id of the run that it went on from; empty if it did not.
        state: The name of the class of its state; ``"Running"`` until it has ended.
        message: That state's message.
        began: In seconds since the epoch.
        ended: In seconds since the epoch; None if it has not.
        pid: The process it is or was in.
        tasks: The slugs of its tasks, in start order.
        parameters: The names of its parameters, each with the fingerprint of its default (empty: it has none).
        sources: By slug, where values come from that are edited or pinned, which may be said after they were kept.
        changed: By slug, the tasks that changed the value of a task in place, in start order.
        format: That of the file.
    """

    flow: str
    id: str
    number: int
    kind: str = "run"
    parent: str = ""
    state: str = "Running"
    message: str | None = None
    began: float | None = None
    ended: float | None = None
    pid: int = 0
    tasks: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)
    format: int = FORMAT


@cache
def _kinds(cls: type) -> dict[str, Any]:
    return {name: _kind(hint) for name, hint in get_type_hints(cls).items()}


def _kind(hint: Any) -> Any:
    """Return what `isinstance` takes for an annotation: of lists and dictionaries not what is in them."""
    if (origin := get_origin(hint)) in (dict, list):
        return origin
    return hint | int if float in get_args(hint) else hint


def wrongly_typed(cls: type, facts: Mapping[str, Any]) -> list[str]:
    """Return the names of those of a dataclass's fields that were read as something else than they are."""
    return [name for name, value in facts.items() if not isinstance(value, _kinds(cls)[name])]


def write_facts(folder: Path, facts: Facts) -> None:
    """Write them, at once or not at all.

    Raises:
        StoreUnavailableError: If they cannot be written.
    """
    write_whole(folder / FACTS, json.dumps(asdict(facts), indent=1).encode("ascii"))


def read_facts(folder: Path) -> Facts:
    """Read what is known of a run; nothing is unpickled.

    Raises:
        StoreUnavailableError: If it cannot be read, is damaged, newer, or can be somebody else's.
    """
    path = folder / FACTS
    with reading(path) as file:
        text = file.read(_LARGEST)
    try:
        found = json.loads(text)
        version = found["format"]
        if type(version) is not int:
            raise TypeError("its format is no number")
        if version <= FORMAT:
            facts = Facts(**found)
            strange = wrongly_typed(Facts, found)
            if strange:
                raise TypeError(f"{strange} of an unexpected type")
            texts = [*facts.tasks, *facts.parameters.values(), *facts.sources.values()]
            if not all(isinstance(one, str) for one in [*texts, *chain(*facts.changed.values())]):
                raise TypeError("parameters of an unexpected type")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedStoreError(str(path), f"it can not be read ({error})") from error
    if version > FORMAT:
        raise NewerStoreError(str(path), f"format {version}, this one knows {FORMAT}")
    return facts


def hold(folder: Path) -> int:
    """Say that the run goes on in this process, until `let_go` or the process's end; returns what that needs.

    Raises:
        StoreUnavailableError: If the file that is locked cannot be made.
    """
    import fcntl

    path = folder / LOCK
    with in_our_words(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def let_go(descriptor: int) -> None:
    """Say that the run is over."""
    with suppress(OSError):
        os.close(descriptor)


def is_going(folder: Path, pid: int) -> bool:
    """Whether a run still goes on. A lock outlives its process in children that were forked, hence the pid."""
    import fcntl

    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _is_alive(pid)
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(descriptor)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or on another host
        return True
    return True
