"""The home of a run's values: which of them can change, who took which version, and who changed what.

docs/reruns.md, rules V2 to V5. A task gets the very object that another one returned, and may change it in place. So
each object that can change is followed through its *versions*: a version is known by a fingerprint, and a new one
begins when a call was found to have left other contents behind. Every call notes which version of which object it took.
A rerun can then hand on an object only where it still is the version that the task would meet in a fresh run.

What cannot change in place (numbers, texts, tuples of such) costs one look at its type. Resources are not followed: a
block that opens again sets up a new one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed, is_one_shot
from nbflow.core.data.value_type import identity
from nbflow.core.effects.mutation import may_change
from nbflow.core.parameter import Parameter
from nbflow.engine.declared_values import SMALL, DeclaredValues
from nbflow.engine.followed_objects import FollowedObjects
from nbflow.engine.item_buffers import ItemBuffers
from nbflow.engine.object_versions import ATOMS, PUT_OFF, Change, Followed, Place, Taken, Watch, contents_of, objects_in
from nbflow.engine.remote_value import Gathered
from nbflow.engine.retry_inputs import RetryInputs
from nbflow.errors import CannotCopyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


class Values:
    """The values of one run. Changed by the run's thread only.

    Attributes:
        taken: What each call took, by argument; arguments that cannot change are left out.
        declared: The fingerprints of constants, by the task that is given one and the argument.
        parameters: The fingerprints of the parameters that the run was given, by name.
        kept: The values of tasks that run only for what they change.
        originals: Copies of the values that a person has pinned or set, which reruns begin with.
        set_by_user: The pinned tasks whose values a person has set.
        apart: The tasks whose values were made again, with those that hold parts of a former one: see `Plan.apart`.
        objects: The objects that can change.
        on_change: Is told which task has changed which argument in place, and who gave it.
    """

    def __init__(self, graph: CompiledGraph, states: Mapping[Task, State]) -> None:
        self.taken: dict[Place, dict[str, Taken]] = {}
        self.declared: dict[tuple[Task, str], str | None] = {}
        self.parameters: dict[str, str | None] = {}
        self.kept: dict[Task, Any] = {}
        self.originals: dict[Task, Any] = {}
        self.set_by_user: set[Task] = set()
        self.apart: dict[Task, dict[Task, bool]] = {}
        self.on_change: Callable[[Task, str, Task], None] | None = None
        self.objects = FollowedObjects()
        self.followed, self.settle = self.objects.find, self.objects.settle
        self._graph = graph
        self._buffers = ItemBuffers(graph, states)
        self.items_of = self._buffers.items_of
        self._declared = DeclaredValues(graph, self.objects)
        self.original_of = self._declared.original_of
        self._ahead = RetryInputs(graph, self.objects, self.taken)
        self._took_then: dict[Place, dict[str, Taken]] = {}  # tasks that run to give what they gave

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

        Returns what to look at when the call has ended; None if it can change nothing. `comes_again` tells whether the
        call may have to be made again with the inputs as they are now; `is_turn` that it is a further turn of a loop,
        which goes on with what the last one has left; `also` is what it gets besides, such as a loop's result so far.

        Raises:
            ChangedInputError: If an earlier attempt has changed an input of which there is no copy.
            CannotCopyError: If the task is to get copies, and there can be none.
        """
        task = self._graph.tasks[number]
        place, sources, is_shared = (task, child), self._graph.sources_of(task), task._input_mode == "share"
        # First of all: what is noted below is to be what the first attempt found, not what it has left.
        if self.taken.get(place) and not is_turn and not is_shared:
            self._ahead.put_back(place, inputs)
        taken: dict[str, Taken] = {}
        changes: list[tuple[str, Followed]] = []
        for key, value in tuple(inputs.items()):
            if identity(type(value)) in ATOMS or is_fixed(value):
                continue
            source = sources.get(key)
            if source is not None and source.is_resource:
                continue
            if task._input_mode == "copy":
                inputs[key] = value.with_leaves(copy_ahead) if type(value) is Gathered else copy_ahead(value)
                if source is not None:
                    taken[key] = self.objects.take(value, gathers=source.gathers)
                continue
            changes_it = may_change(function, key, value.parts if type(value) is Gathered else value)
            if source is None:  # a constant, which the next run is to find as it was declared
                self.declared[task, key] = known_fingerprint(value)
                if not is_shared:
                    own = self._declared.constant_of(task, child, key, value, changes_it=changes_it)
                    inputs[key] = own
                    if own is value and changes_it:
                        changes.append((key, self.objects.look_at(value)[0]))
                continue
            if is_one_shot(value):
                changes_it = True  # to take an item from it is to change it
                buffer = self._buffers.find(source.task, value, comes_again=comes_again())
                if buffer is not None:
                    inputs[key] = buffer.take()
                    continue
            taken[key] = one = self.objects.take(value, gathers=source.gathers)
            if changes_it:
                changes += [(key, followed) for followed, _ in one.parts]
        if not is_turn:  # a later turn takes what an earlier one has left, which no fresh run would be given
            self.taken[place] = taken
        if not changes:
            return None
        # Before the call, and of all that is followed: afterwards nobody could tell what was otherwise before it.
        self.settle()
        # Of the first version only, and while it is one: a person may pin the value after it was changed. What a
        # container holds may be another task's value, and is changed through it.
        inside = (self.followed(part) for _, one in changes for part in contents_of(one.value))
        for followed in (*(one for _, one in changes), *filter(None, inside)):
            if len(followed.versions) == 1 and followed.original is PUT_OFF:
                with suppress(CannotCopyError):
                    followed.original = copy_ahead(followed.value, limit_bytes=SMALL)
        if not is_shared and (is_turn or place not in self._ahead.kept) and comes_again():
            took = {key: inputs[key] for key in taken}
            here = {key: one.leaves() if type(one) is Gathered else one for key, one in took.items()}
            self._ahead.keep(place, here, dict(changes), also)
        return Watch(number, tuple(changes))

    @property
    def keeps_ahead(self) -> bool:
        """True when anything is kept for further calls."""
        return bool(self._ahead.kept)

    def is_done(self, number: int, child: int) -> None:
        """Let go of what was kept for a further call, which is not to come."""
        self._ahead.kept.pop((self._graph.tasks[number], child), None)

    def refuse_again(self, number: int, child: int, inputs: Mapping[str, Any]) -> None:
        """Refuse a further attempt that could not get what the first one took.

        Raises:
            ChangedInputError: If an input was changed, and it is not known what it contained.
        """
        task = self._graph.tasks[number]
        if task._input_mode != "share":
            self._ahead.refuse_lost((task, child), inputs)

    def ended(self, watch: Watch) -> None:
        """Look at what a call may have changed, whether it ended well or not."""
        task, objects = self._graph.tasks[watch.number], self.objects
        objects.call_ended(task)
        is_changed = False
        for key, followed in watch.changes:
            if followed.looked_at < objects.moment:  # once, if it was taken as several arguments
                followed.looked_at = objects.moment
                if followed.print is None:  # nobody can know: it counts as changed
                    followed.versions.append(Change(None, (task,)))
                elif objects.look(followed, (task,)):
                    is_changed = True
                    source = self._graph.sources_of(task).get(key)
                    if self.on_change is not None and source is not None:
                        self.on_change(task, key, source.task)
        if is_changed:
            objects.look_around(task)

    def note_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Note what the run is given, before anything can change it."""
        for name, value in parameters.items():
            if identity(type(value)) not in ATOMS and not is_fixed(value):
                self.parameters[name] = known_fingerprint(value)

    def made(self, task: Task, value: Any) -> Any:
        """Take in what a call returned; returns what the run goes on with."""
        if is_fixed(value):
            return value
        if task in self.kept:  # it ran for what it changes: its own value is that of the earlier run
            return self.kept[task]
        if isinstance(task, (Parameter, Constant)):
            if isinstance(task, Constant):
                self.declared[task, ""] = known_fingerprint(value)
            value = self._declared.own_of(task, value)
        self.objects.look_at(value)
        return value

    def finish(self) -> list[str]:
        """Know all versions as they are at the end of the run: what changes later was changed from outside.

        Returns in words what the next run will not find as it was declared.
        """
        self.settle()
        self._ahead.kept.clear()  # nothing is tried again any more
        for place, taken in self._took_then.items():  # what others have of it is made of what it took then
            now = self.taken.get(place, {})
            if any(one.is_known_to_differ(now.get(key)) for key, one in taken.items()):
                self.taken[place] = taken
        self._took_then.clear()
        self.objects.look_at_all()
        told = list(self._declared.losses())
        return [*told, *self.objects.losses_of_classes()] if self.objects.has_changes else told

    # -- from run to run --------------------------------------------------------------------------------------------

    def inherit(
        self,
        earlier: Values,
        pairs: Mapping[Task, Task],
        states: Mapping[Task, State],
        again: Mapping[Task, Task] | None = None,
        apart: Mapping[Task, Mapping[Task, bool]] | None = None,
    ) -> None:
        """Go on from what an earlier run knew of the tasks that are taken over from it, in `pairs` with those of then.

        Those in `again` run to give what they gave. The values of those in `apart` are made again without others that
        hold parts of them: see `Plan.apart`.
        """
        now = {old: new for new, old in pairs.items()}
        for value in objects_in(states.values()):
            followed = earlier.followed(value)
            if followed is not None:
                self.objects.adopt(followed, now)
            if id(value) in earlier._buffers.found:
                self._buffers.found[id(value)] = earlier._buffers.found[id(value)]
        self.set_by_user.update(now[old] for old in earlier.set_by_user if old in now)
        repeated = {old: new for new, old in (again or {}).items()}
        # After the objects: of those that were not taken over only their versions are remembered.
        for (old, child), taken in earlier.taken.items():
            places, new = (self.taken, now.get(old)) if old in now else (self._took_then, repeated.get(old))
            if new is not None:
                places[new, child] = {key: self.objects.remembered(one) for key, one in taken.items()}
        for task, others in earlier.apart.items():
            stay = {now[other]: holds_all for other, holds_all in others.items() if other in now}
            known = now.get(task, repeated.get(task))
            if known is not None and stay:
                self.apart[known] = stay
        for task, parts in (apart or {}).items():
            self.apart[task] = self.apart.get(task, {}) | dict(parts)
        self.originals.update({new: earlier.originals[old] for new, old in pairs.items() if old in earlier.originals})

    def keep_original(self, task: Task, value: Any) -> None:
        """Keep a copy of a value that a person has pinned or set."""
        followed = self.followed(value)
        with suppress(CannotCopyError):
            if followed is None or (len(followed.versions) == 1 and not followed.look((), ())):
                self.originals[task] = copy_ahead(value)
            elif followed.original is not PUT_OFF:
                self.originals[task] = followed.original

    def let_go(self, value: Any) -> None:
        """Stop following an object that is given back; its versions stay known where somebody has taken it."""
        self.objects.let_go(value)
        self._buffers.found.pop(id(value), None)

    def forget(self) -> None:
        """Let go of all objects."""
        self.objects.forget()
        for part in (self._buffers.found, self._ahead.kept, self._declared.without_copy, self.originals, self.kept):
            part.clear()
