"""The home of a run's values: which of them can change, who took which version, and who changed what.

docs/reruns.md, rules V2 to V5. A task gets the very object that another one returned, and may change it in place. So
each object that can change is followed here through its *versions*: a version is known by a fingerprint, and a new one
begins when a call was found to have left other contents behind. Every call notes which version of which object it took.
A rerun can then hand on an object only where it still is the version that the task would meet in a fresh run.

What cannot change in place (numbers, texts, tuples of such) costs one look at its type. Fingerprints are put off for as
long as nothing has been called that may change anything, and are then taken of all that is followed, since one object
may be part of another. Resources are not followed: a block that opens again sets up a new one.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.object_content import class_data
from nbflow.core.data.shared_iterator import ItemBuffer
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed, is_one_shot, is_plain_data
from nbflow.core.data.value_type import has_method, type_of
from nbflow.core.effects.mutation import MISSING, may_change
from nbflow.core.ownership import is_ours
from nbflow.core.parameter import Parameter
from nbflow.core.states import Mapped
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.object_versions import (
    ATOMS,
    NOTHING_AHEAD,
    PUT_OFF,
    Ahead,
    Change,
    Followed,
    Place,
    Source,
    Taken,
    Watch,
    ahead_of,
    objects_in,
    take_prints,
    trace_of,
)
from nbflow.errors import CannotCopyError, ChangedInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

SMALL = 1 << 16  # bytes of which a copy is taken as it comes
_MOST_LOOKED_AT = 256  # at each change
_NOT_A_SEQUENCE = ("read", "readline", "fetchone", "execute", "recv")


class Values:
    """The values of one run. Changed by the run's thread only.

    Args:
        graph: The graph of the run.
        states: The states of its tasks, which hold the values.

    Attributes:
        taken: What each call took, by argument; arguments that cannot change are left out.
        declared: The fingerprints of constants, by the task that is given one and the argument.
        parameters: The fingerprints of the parameters that the run was given, by name.
        kept: The values of tasks that run only for what they change.
        originals: Copies of the values that a person has pinned or set, which reruns begin with.
        set_by_user: The pinned tasks whose values a person has set.
        moment: Counts the calls that may have changed something.
    """

    def __init__(self, graph: CompiledGraph, states: Mapping[Task, State]) -> None:
        self.taken: dict[Place, dict[str, Taken]] = {}
        self.declared: dict[tuple[Task, str], str | None] = {}
        self.parameters: dict[str, str | None] = {}
        self.kept: dict[Task, Any] = {}
        self.originals: dict[Task, Any] = {}
        self.set_by_user: set[Task] = set()
        self.moment = 0
        self.on_change: Callable[[Task, str, Task], None] | None = None
        self._graph = graph
        self._states = states
        self._key = object()  # stands for this home, and keeps nothing of it alive
        self._followed: dict[int, Followed] = {}
        self._put_off: list[Followed] = []
        self._callers: list[Task] = []  # whose call ended at each moment
        self._buffers: dict[int, tuple[Any, ItemBuffer]] = {}
        self._ahead: dict[Place, Ahead] = {}
        self._constants: dict[tuple[Task, str], Any] = {}
        self._sources: dict[int, dict[str, Source]] = {}
        self._took_then: dict[Place, dict[str, Taken]] = {}  # tasks that run to give what they gave
        self._classes: dict[int, tuple[type, str | None]] = {}  # what they held when an object was first met
        self._without_copy: dict[int, tuple[Any, Task, str]] = {}  # of what the next run gets too, and why

    # -- a call -----------------------------------------------------------------------------------------------------

    def hand_over(
        self,
        number: int,
        child: int,
        function: Callable[..., Any],
        inputs: dict[str, Any],
        *,
        comes_again: Callable[[], bool] = bool,
        is_turn: bool = False,
        also: tuple[Any, ...] = (),
    ) -> Watch | None:
        """Note what a call takes, and put into `inputs` what it gets in place of what it must not touch.

        Args:
            number: The task.
            child: Which child of a mapped one; -1 for the task itself.
            function: What is called.
            inputs: Its arguments.
            comes_again: Tells whether the call may have to be made again with the inputs as they are now.
            is_turn: Whether it is a further turn of a loop, which goes on with what the last one has left.
            also: What the call gets besides, such as the result of a loop so far.

        Returns:
            What to look at when the call has ended; None if it can change nothing.

        Raises:
            ChangedInputError: If an earlier attempt has changed an input of which there is no copy.
            CannotCopyError: If the task is to get copies, and there can be none.
        """
        task = self._graph.tasks[number]
        place, sources, is_shared = (task, child), self._sources_of(number), task.input_mode == "share"
        before = self.taken.get(place)
        if before and not is_turn and not is_shared:
            self._put_back(place, inputs)
        taken: dict[str, Taken] = {}
        changes: list[tuple[str, Followed]] = []
        for key, value in tuple(inputs.items()):
            if id(type(value)) in ATOMS or is_fixed(value):
                continue
            source = sources.get(key)
            if source is not None and source.is_resource:
                continue
            if task.input_mode == "copy":
                inputs[key] = copy_ahead(value)
                if source is not None:
                    taken[key] = self._take(source, value)
                continue
            changes_it = may_change(function, key, value)
            if source is None:  # a constant, which the next run is to find as it was declared
                self.declared[task, key] = known_fingerprint(value)
                if not is_shared:
                    inputs[key] = own = self._own_constant(task, child, key, value, changes_it=changes_it)
                    if own is value and changes_it:
                        changes.append((key, self._look_at(value)[0]))
                continue
            if is_one_shot(value):
                changes_it = True
                if (buffer := self._buffer_of(source.task, value, comes_again())) is not None:
                    inputs[key] = buffer.take()
                    continue
            taken[key] = one = self._take(source, value)
            if changes_it:
                changes += [(key, followed) for followed, _ in one.parts]
        if not is_turn:
            self.taken[place] = taken
        if not changes:
            return None
        self.settle()
        for _, followed in changes:
            if len(followed.versions) == 1 and followed.original is PUT_OFF:
                with suppress(CannotCopyError):
                    followed.original = copy_ahead(followed.value, limit_bytes=SMALL)
        if not is_shared and (is_turn or place not in self._ahead) and comes_again():
            self._ahead[place] = ahead_of({key: inputs[key] for key in taken}, dict(changes), also)
        return Watch(number, tuple(changes))

    @property
    def keeps_ahead(self) -> bool:
        """Whether anything is kept for further calls."""
        return bool(self._ahead)

    @property
    def has_changes(self) -> bool:
        """Whether any object that is followed was changed."""
        return any(len(one.versions) > 1 for one in tuple(self._followed.values()))

    def is_done(self, number: int, child: int) -> None:
        """Let go of what was kept for a further call, which is not to come."""
        self._ahead.pop((self._graph.tasks[number], child), None)

    def ended(self, watch: Watch) -> None:
        """Look at what a call may have changed, whether it ended well or not."""
        task = self._graph.tasks[watch.number]
        self.moment += 1
        self._callers.append(task)
        is_changed = False
        for key, followed in watch.changes:
            if followed.looked_at < self.moment:
                followed.looked_at = self.moment
                if followed.print is None:  # nobody can know: it counts as changed
                    followed.versions.append(Change(None, (task,)))
                elif followed.look((task,), tuple(self._followed.values())):
                    is_changed = True
                    self._tell_of_change(watch.number, key)
        if is_changed:
            self._look_around(task)

    def note_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Note what the run is given, before anything can change it."""
        for name, value in parameters.items():
            if id(type(value)) not in ATOMS and not is_fixed(value):
                self.parameters[name] = known_fingerprint(value)

    def made(self, task: Task, value: Any) -> Any:
        """Take in what a call returned; returns what the run goes on with."""
        if is_fixed(value):
            return value
        if task in self.kept:
            return self.kept[task]
        if isinstance(task, (Parameter, Constant)):
            if isinstance(task, Constant):
                self.declared[task, ""] = known_fingerprint(value)
            value = self._own_of(task, value)
        self._look_at(value)
        return value

    def settle(self) -> None:
        """Take the fingerprints that were put off, before something may change."""
        if self._put_off:
            take_prints(self._put_off)
            self._put_off.clear()

    def finish(self) -> list[str]:
        """Know all versions as they are at the end of the run: what changes later was changed from outside.

        Returns:
            What the next run will not find as it was declared, in words.
        """
        self.settle()
        self._ahead.clear()  # nothing is tried again any more
        for place, taken in self._took_then.items():  # what others have of it is made of what it took then
            if any(self._is_other(one, self.taken.get(place, {}).get(key)) for key, one in taken.items()):
                self.taken[place] = taken
        self._took_then.clear()
        for followed in tuple(self._followed.values()):
            self._look_again(followed)
        told = []
        for value, task, why in self._without_copy.values():
            found = self.followed(value)
            by = (
                ()
                if found is None
                else dict.fromkeys(one for change in found.versions[1:] for one in change.by)
            )
            if found is not None and found.print is not None and found.print != found.versions[0].print:
                told.append(said_of_loss(task, tuple(by), why))
        return [*told, *self._losses_of_classes()] if self.has_changes else told

    # -- looking ----------------------------------------------------------------------------------------------------

    def _take(self, source: Source, value: Any) -> Taken:
        parts = value if source.gathers and type(value) is list else (value,)
        return Taken(tuple(self._look_at(part) for part in parts if not is_fixed(part)))

    def _look_at(self, value: Any) -> tuple[Followed, int]:
        followed = self._followed.get(id(value))
        if followed is None or followed.value is not value:
            followed = self._followed[id(value)] = Followed(value, self.moment)
            followed.home = self._key
            self._put_off.append(followed)
            self._note_class(type_of(value))
        else:
            self._look_again(followed)
        return followed, len(followed.versions) - 1

    def _note_class(self, kind: type) -> None:
        """Note what a class of the notebook holds for all of its objects, which outlives the run."""
        if id(kind) not in self._classes:
            space = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
            is_declared = is_ours(kind.__module__) and space.get(kind.__name__) is kind
            # One that a task has made is let go with its objects.
            self._classes[id(kind)] = (kind, _print_of_class(kind)) if is_declared else (object, None)

    def _losses_of_classes(self) -> Iterator[str]:
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

    def _look_again(self, followed: Followed) -> None:
        if followed.looked_at < self.moment:
            by = tuple(dict.fromkeys(self._callers[followed.looked_at :]))
            followed.look(by, tuple(self._followed.values()))
            followed.looked_at = self.moment

    def _look_around(self, task: Task) -> None:
        """Find out at once of what else the changed object is part, while it is known who has changed it."""
        if len(self._followed) <= _MOST_LOOKED_AT:
            others = tuple(self._followed.values())
            for followed in others:
                if followed.looked_at < self.moment:
                    followed.look((task,), others)
                    followed.looked_at = self.moment

    def followed(self, value: Any) -> Followed | None:
        """Return what is known of an object; None if it is not followed."""
        found = self._followed.get(id(value))
        return found if found is not None and found.value is value else None

    def _tell_of_change(self, number: int, key: str) -> None:
        source = self._sources_of(number).get(key)
        if self.on_change is not None and source is not None:
            self.on_change(self._graph.tasks[number], key, source.task)

    # -- copies -----------------------------------------------------------------------------------------------------

    def _may_be_changed(self, task: Task, value: Any) -> bool:
        """Whether a task that takes the value, or one below that may be handed it on, may change it in place."""
        graph, below = self._graph, {self._graph.index[task]}
        for number in range(graph.index[task] + 1, len(graph.tasks)):
            for edge in graph.edges_in[number]:
                if edge.key is not None and (up := graph.index[edge.upstream_task]) in below:
                    taken = value if up == graph.index[task] and not edge.mapped else MISSING
                    if may_change(graph.tasks[number].run, edge.key, taken):
                        return True
                    below.add(number)
        return False

    def _own_constant(self, task: Task, child: int, key: str, value: Any, *, changes_it: bool) -> Any:
        """Return what a call gets of a constant; the children of a mapped task share what the run has of it."""
        if child < 0:
            return self._own_of(task, value, changes_it=changes_it)
        if (task, key) not in self._constants:
            self._constants[task, key] = self._own_of(task, value, changes_it=changes_it)
        return self._constants[task, key]

    def _own_of(self, task: Task, value: Any, *, changes_it: bool = False) -> Any:
        """Return what this run gets of something declared, which the next run is to find as it was.

        A small thing is copied, since nobody knows what a task will do with it after its next edit; of a large one
        there is a copy where something may change it now.
        """
        if is_plain_data(value):
            with suppress(CannotCopyError):
                return copy_ahead(value, limit_bytes=SMALL)
        return self._own(task, value) if changes_it or self._may_be_changed(task, value) else value

    def original_of(self, task: Task, value: Any) -> Any:
        """Return a copy of what a task has returned; the thing itself if nobody will change it, or it has no copy."""
        return self._own(task, value) if self._may_be_changed(task, value) else value

    def _own(self, task: Task, value: Any) -> Any:
        """Return a copy for this run of what was declared; the thing itself where there can be no copy."""
        try:
            return copy_ahead(value)
        except CannotCopyError as error:
            self._without_copy[id(value)] = value, task, error.reason
            return value

    def _changed(self, place: Place, inputs: Mapping[str, Any]) -> list[str]:
        """Return the arguments that an earlier attempt has left other than it found them."""
        sources = self._sources_of(self._graph.index[place[0]])
        first = self.taken.get(place, {})
        return [
            key for key, one in first.items() if self._differs(one, self._take(sources[key], inputs[key]))
        ]

    def _put_back(self, place: Place, inputs: Mapping[str, Any]) -> None:
        """Let a further attempt find what the first one found: in the objects themselves, for whoever holds them."""
        changed = self._changed(place, inputs)
        if not changed:
            return
        self._refuse_lost(place, changed)
        snapshots = self._ahead[place].snapshots
        try:
            for snapshot in {id(snapshots[key]): snapshots[key] for key in changed}.values():
                snapshot.restore()
        except CannotCopyError as error:
            self._refuse(place[0], changed[0], error.reason)
        finally:
            self.moment += 1
            self._callers.append(place[0])

    def refuse_again(self, number: int, child: int, inputs: Mapping[str, Any]) -> None:
        """Refuse a further attempt that could not get what the first one took.

        Raises:
            ChangedInputError: If an input was changed, and it is not known what it contained.
        """
        place = self._graph.tasks[number], child
        if place[0].input_mode != "share":
            self._refuse_lost(place, self._changed(place, inputs))

    def _refuse_lost(self, place: Place, changed: Sequence[str]) -> None:
        ahead = self._ahead.get(place, NOTHING_AHEAD)
        for key in changed:
            if key not in ahead.snapshots:
                self._refuse(
                    place[0], key, ahead.whys.get(key, "it was not known that the task would be tried again")
                )

    def _refuse(self, task: Task, key: str, why: str) -> None:
        source = self._sources_of(self._graph.index[task])[key].task
        raise ChangedInputError(task.name, key, source.name, why)

    @staticmethod
    def _differs(first: Taken, now: Taken) -> bool:
        if len(first.parts) != len(now.parts):
            return True
        for (one, version), (other, newest) in zip(first.parts, now.parts, strict=True):
            if one is not other or version != newest:
                known = one.versions[version].print
                if known is None and one is other and not is_one_shot(one.value):
                    continue  # a connection, a future: what it stands for is not in it
                if known is None or known != other.versions[newest].print:
                    return True
        return False

    @staticmethod
    def _is_other(then: Taken, now: Taken | None) -> bool:
        if now is None or len(then.parts) != len(now.parts):
            return now is not None
        pairs = zip(then.parts, now.parts, strict=True)
        prints = [(one.versions[v].print, other.versions[w].print) for (one, v), (other, w) in pairs]
        return any(one is not None and other is not None and one != other for one, other in prints)

    def _replace(self, old: Any, new: Any) -> None:
        """Put an object in the place of another, for all who take it from now on."""
        for state in self._states.values():
            for one in (state, *state.map_states) if isinstance(state, Mapped) else (state,):
                if vars(one).get("result") is old:
                    one.result = new

    # -- iterators --------------------------------------------------------------------------------------------------

    def items_of(self, task: Task, value: Any) -> Iterator[Any]:
        """Return all items of an iterator that a task gave; whoever else takes it gets all of them too."""
        buffer = self._buffer_of(task, value, comes_again=True)
        return iter(value) if buffer is None else buffer.take()

    def _buffer_of(self, task: Task, value: Any, comes_again: bool) -> ItemBuffer | None:
        """Return what hands out all items of an iterator to each that takes it; None where one taker is all it has."""
        known = self._buffers.get(id(value))
        if known is not None:
            return known[1]
        if any(has_method(value, name) for name in _NOT_A_SEQUENCE) or not (
            comes_again or self._is_taken_often(task)
        ):
            return None
        buffer = ItemBuffer(value)
        view = buffer.take()
        self._buffers[id(value)] = value, buffer
        self._buffers[id(view)] = view, buffer
        self._replace(value, view)
        return buffer

    # -- where inputs come from -------------------------------------------------------------------------------------

    def _sources_of(self, number: int) -> dict[str, Source]:
        found = self._sources.get(number)
        if found is None:
            graph = self._graph
            found = self._sources[number] = {}
            for edge in graph.edges_in[number]:
                if edge.key is not None:
                    up = graph.index[edge.upstream_task]
                    found[edge.key] = Source(
                        edge.upstream_task,
                        is_resource=graph.role[up] != ORDINARY,
                        is_mapped=bool(edge.mapped),
                        gathers=bool(edge.flattened or (graph.is_map[up] and not edge.mapped)),
                    )
        return found

    def _is_taken_often(self, task: Task) -> bool:
        takers = [
            edge.downstream_task for edge in self._graph.edges if edge.upstream_task is task and edge.key
        ]
        # The cells of a notebook go on where the cell above has stopped, as they do without a flow.
        return len(takers) > 1 and not any(hasattr(vars(taker).get("run"), "changes") for taker in takers)

    # -- from run to run --------------------------------------------------------------------------------------------

    def inherit(
        self,
        earlier: Values,
        pairs: Mapping[Task, Task],
        states: Mapping[Task, State],
        again: Mapping[Task, Task] | None = None,
    ) -> None:
        """Go on from what an earlier run knew of the tasks that are taken over from it.

        Args:
            earlier: The values of that run.
            pairs: The tasks taken over, each with the task that had its place there.
            states: Their states.
            again: Those that run to give what they gave, each with the task that had its place there.
        """
        now = {old: new for new, old in pairs.items()}
        for value in objects_in(states.values()):
            followed = earlier.followed(value)
            if followed is not None:
                followed.looked_at = 0
                followed.home = self._key
                followed.versions = [
                    Change(p, tuple(now.get(t, t) for t in by)) for p, by in followed.versions
                ]
                self._followed[id(value)] = followed
            if id(value) in earlier._buffers:
                self._buffers[id(value)] = earlier._buffers[id(value)]
        self.set_by_user.update(now[old] for old in earlier.set_by_user if old in now)
        repeated = {old: new for new, old in (again or {}).items()}
        for (old, child), taken in earlier.taken.items():
            places, new = (self.taken, now.get(old)) if old in now else (self._took_then, repeated.get(old))
            if new is not None:
                places[new, child] = {key: self._remembered(one) for key, one in taken.items()}
        self.originals.update(
            {new: earlier.originals[old] for new, old in pairs.items() if old in earlier.originals}
        )

    def _remembered(self, taken: Taken) -> Taken:
        """Return what was taken, without the objects that are no longer anybody's value."""
        return Taken(
            tuple(
                (one, version) if self.followed(one.value) is one else (trace_of(one, version), 0)
                for one, version in taken.parts
            )
        )

    def keep_original(self, task: Task, value: Any) -> None:
        """Keep a copy of a value that a person has pinned or set."""
        followed = self.followed(value)
        with suppress(CannotCopyError):
            if followed is None or (len(followed.versions) == 1 and not followed.look((), ())):
                self.originals[task] = copy_ahead(value)
            elif followed.original is not PUT_OFF:
                self.originals[task] = followed.original

    def let_go(self, value: Any) -> None:
        """Stop to follow an object that is given back; its versions stay known where somebody has taken it."""
        followed = self._followed.pop(id(value), None)
        if followed is not None and followed.home is self._key:
            _ = followed.print  # taken now at the latest
            followed.value, followed.original, followed.taken_out = None, PUT_OFF, ()
            if followed in self._put_off:
                self._put_off.remove(followed)
        self._buffers.pop(id(value), None)

    def forget(self) -> None:
        """Let go of all objects."""
        for followed in tuple(self._followed.values()):
            self.let_go(followed.value)
        for place in (self._put_off, self._buffers, self._ahead, self.originals, self.kept, self._classes):
            place.clear()
        self._without_copy.clear()


def _print_of_class(kind: type) -> str | None:
    held = list(class_data(kind))
    return known_fingerprint(held) if held else None


def said_of_loss(task: Task, by: Sequence[Task], why: str) -> str:
    """Return the warning: what tasks have changed that the next run gets as well, and what can be done."""
    of = "a constant of task"
    if not isinstance(task, Constant):
        of = "the value given to parameter" if isinstance(task, Parameter) else "the cached value of task"
    names = ", ".join(repr(one.name) for one in by[:3])
    return (
        f"{of} {task.name!r} was changed in place by {names}, and there is no copy of it ({why}): the next run begins "
        f"with what is left. Make it in a task, or have {names} change a copy"
    )
