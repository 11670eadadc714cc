"""The objects of a run that can change, each followed through its versions.

Fingerprints cost time, so they are put off for as long as nothing has been called that may change anything. Then they
are taken of all that is followed, since one object may be part of another: a task that changes a list changes the
dictionary that holds it, which it never took. And then it is looked again only at what a call that ended may concern,
by the *moment*: the number of calls that have ended which may have changed something.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.object_content import class_data
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import type_of
from nbflow.core.ownership import is_ours
from nbflow.engine.object_versions import PUT_OFF, Change, Followed, Taken, take_prints, taken_of, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.core.task import Task

_MOST_LOOKED_AT = 256  # at each change


class FollowedObjects:
    """Knows the versions of objects by their identity.

    Attributes:
        moment: Counts the calls that may have changed something.
    """

    def __init__(self) -> None:
        self.moment = 0
        self._key = object()  # stands for this home, and keeps nothing of it alive
        self._followed: dict[int, Followed] = {}
        self._put_off: list[Followed] = []
        self._callers: list[Task] = []  # whose call ended at each moment
        self._classes: dict[int, tuple[type, str | None]] = {}  # what they held when an object was first met

    @property
    def has_changes(self) -> bool:
        """True when any object that is followed was changed."""
        return any(len(one.versions) > 1 for one in tuple(self._followed.values()))

    def find(self, value: Any) -> Followed | None:
        """Return what is known of an object; None if it is not followed."""
        found = self._followed.get(id(value))
        # The identity of an object that is gone may come again.
        return found if found is not None and found.value is value else None

    def look_at(self, value: Any) -> tuple[Followed, int]:
        """Follow an object from now on; returns the version that it is now."""
        followed = self.find(value)
        if followed is None:
            followed = self._followed[id(value)] = Followed(value, self.moment)
            followed.home = self._key
            self._put_off.append(followed)
            self._note_class(type_of(value))
        else:
            self._look_again(followed)
        return followed, len(followed.versions) - 1

    def take(self, value: Any, *, gathers: bool) -> Taken:
        """Follow what a call takes as one argument, the elements of a list where it `gathers` several values."""
        return Taken(tuple(self.look_at(part) for part in taken_of(value, gathers=gathers) if not is_fixed(part)))

    def settle(self) -> None:
        """Take the fingerprints that were put off, before something may change."""
        if self._put_off:
            take_prints(self._put_off)
            self._put_off.clear()

    def call_ended(self, task: Task) -> None:
        """Note that a call of a task ended which may have changed something."""
        self.moment += 1
        self._callers.append(task)

    def look_around(self, task: Task) -> None:
        """Find out at once of what else a changed object is part, while it is known who has changed it."""
        if len(self._followed) <= _MOST_LOOKED_AT:  # with more, several tasks are named rather than all slowed down
            for followed in tuple(self._followed.values()):
                self._look_again(followed, (task,))

    def look_at_all(self) -> None:
        """Know all versions as they are now."""
        for followed in tuple(self._followed.values()):
            self._look_again(followed)

    def _look_again(self, followed: Followed, by: tuple[Task, ...] = ()) -> None:
        if followed.looked_at < self.moment:
            self.look(followed, by or tuple(dict.fromkeys(self._callers[followed.looked_at :])))
            followed.looked_at = self.moment

    def look(self, followed: Followed, by: tuple[Task, ...]) -> bool:
        """Look whether an object was changed, by one of some tasks if it was."""
        return followed.look(by, self._followed.values())

    def _note_class(self, kind: type) -> None:
        """Note what a class of the notebook holds for all of its objects, which outlives the run."""
        if id(kind) not in self._classes:
            space = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
            is_declared = is_ours(kind.__module__) and space.get(kind.__name__) is kind
            # One that a task has made is let go with its objects.
            self._classes[id(kind)] = (kind, _print_of_class(kind)) if is_declared else (object, None)

    def losses_of_classes(self) -> Iterator[str]:
        """Yield what tasks have changed in classes of the notebook, in words: it is not made again with the objects."""
        for kind, known in self._classes.values():
            if known is None or _print_of_class(kind) in (known, None):
                continue
            versions = [one.versions[1:] for one in self._followed.values() if type(one.value) is kind]
            by = dict.fromkeys(task for changes in versions for change in changes for task in change.by)
            if by:
                names = ", ".join(repr(task.name) for task in tuple(by)[:3])
                yield (
                    f"class {kind.__name__!r} holds for all of its objects what was changed in place by {names}: the "
                    "next run, and what is made again, begins with what is left. Keep it in the objects, or make the "
                    "class in a task"
                )

    def adopt(self, followed: Followed, now: Mapping[Task, Task]) -> None:
        """Go on with an object of an earlier run, whose tasks have others in their places `now`."""
        followed.looked_at = 0
        followed.home = self._key
        followed.versions = [Change(p, tuple(now.get(t, t) for t in by)) for p, by in followed.versions]
        self._followed[id(followed.value)] = followed

    def remembered(self, taken: Taken) -> Taken:
        """Return what was taken, without the objects that are no longer anybody's value."""
        return Taken(
            tuple(
                (one, version) if self.find(one.value) is one else (trace_of(one, version), 0)
                for one, version in taken.parts
            )
        )

    def let_go(self, value: Any) -> None:
        """Stop following an object that is given back; its versions stay known where somebody has taken it."""
        followed = self._followed.pop(id(value), None)
        # A rerun that has taken the object over still needs it.
        if followed is not None and followed.home is self._key:
            _ = followed.print  # taken now at the latest: afterwards there is nothing to take it of
            followed.value, followed.original, followed.taken_out = None, PUT_OFF, ()
            if followed in self._put_off:
                self._put_off.remove(followed)

    def forget(self) -> None:
        """Let go of all objects."""
        for followed in tuple(self._followed.values()):
            self.let_go(followed.value)
        self._put_off.clear()
        self._classes.clear()


def _print_of_class(kind: type) -> str | None:
    held = list(class_data(kind))
    return known_fingerprint(held) if held else None
