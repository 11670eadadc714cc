"""The inputs of a task that may be called again: what they contained before the first call, to be put back.

A further attempt is to find what the first one found (docs/reruns.md, rule V2). No other task is run again for that:
within a run, others have its value already. So what inputs contain is kept ahead. Where that was impossible, or nobody
knew that there would be a further attempt, it is refused in words that name argument, producer and remedy.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.data.snapshot import Snapshot
from nbflow.core.signals import StateSignal
from nbflow.errors import CannotCopyError, ChangedInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.followed_objects import FollowedObjects
    from nbflow.engine.object_versions import Place, Taken


class Ahead(NamedTuple):
    """The contents of inputs before a call that may change one of them and may have to be made again.

    Attributes:
        snapshots: By argument; one for all of them where that is possible.
        whys: Why there is none, by argument.
    """

    snapshots: dict[str, Snapshot]
    whys: dict[str, str]


_NOTHING = Ahead({}, {})


class RetryInputs:
    """Keeps what inputs contain ahead, and puts it back.

    Args:
        taken: What the first attempt of each call took, by argument.

    Attributes:
        kept: The contents of inputs, by who takes them.
    """

    def __init__(self, graph: CompiledGraph, objects: FollowedObjects, taken: Mapping[Place, dict[str, Taken]]) -> None:
        self._graph, self._objects, self._taken = graph, objects, taken
        self.kept: dict[Place, Ahead] = {}

    def keep(self, place: Place, inputs: Mapping[str, Any], changed: Iterable[str], also: tuple[Any, ...]) -> None:
        """Keep what inputs contain: all of them together where that is possible, since one may be part of another."""
        # What a LOOP without a result carries is a signal, which nobody changes.
        also = tuple(one for one in also if not issubclass(type(one), StateSignal))
        # One snapshot of all: two copies of a list that two arguments share would be two lists after it is put back.
        with suppress(CannotCopyError):
            self.kept[place] = Ahead(dict.fromkeys(inputs, Snapshot([*inputs.values(), *also])), {})
            return
        # Else each by itself, and those alone that may change: a connection beside a list, which cannot be copied,
        # is no reason to refuse a further attempt.
        snapshots, whys = {}, {}
        for key in changed:
            try:
                snapshots[key] = Snapshot([inputs[key], *also])
            except CannotCopyError as error:
                whys[key] = error.reason
        self.kept[place] = Ahead(snapshots, whys)

    def put_back(self, place: Place, inputs: Mapping[str, Any]) -> None:
        """Let a further attempt find what the first one found: in the objects themselves, for whoever holds them.

        Raises:
            ChangedInputError: If that is not known, or cannot be put back.
        """
        changed = self.refuse_lost(place, inputs)
        if not changed:  # before `kept` is asked: nothing is there of a call that seemed to change nothing
            return
        snapshots = self.kept[place].snapshots
        try:
            # Each once: one snapshot may stand for several arguments.
            for snapshot in {id(snapshots[key]): snapshots[key] for key in changed}.values():
                snapshot.restore()
        except CannotCopyError as error:
            self._refuse(place[0], changed[0], error.reason)
        finally:
            # What was put back is a change as well, to be seen by the next look at whatever holds it.
            self._objects.call_ended(place[0])

    def refuse_lost(self, place: Place, inputs: Mapping[str, Any]) -> list[str]:
        """Return the arguments that an earlier attempt has left other than it found them.

        Raises:
            ChangedInputError: If it is not known what one of them contained, so that it cannot be put back.
        """
        # Before anything is put back: a call that is refused leaves its inputs as it found them.
        sources, ahead = self._graph.sources_of(place[0]), self.kept.get(place, _NOTHING)
        changed = [
            key
            for key, one in self._taken.get(place, {}).items()
            if not one.is_as_in(self._objects.take(inputs[key], gathers=sources[key].gathers))
        ]
        for key in changed:
            if key not in ahead.snapshots:
                self._refuse(place[0], key, ahead.whys.get(key, "it was not known that the task would be tried again"))
        return changed

    def _refuse(self, task: Task, key: str, why: str) -> None:
        raise ChangedInputError(task.name, key, self._graph.sources_of(task)[key].task.name, why)
