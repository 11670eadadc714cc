"""The init, setup and cleanup tasks of blocks: what their attempts are given, and what they did to the resource.

The cleanup guarantee: the moment a setup gives a resource, its `OpenResource` owes a cleanup, before anything else is
done with the value.
"""

from __future__ import annotations

import contextvars
import functools
import operator
from typing import TYPE_CHECKING, Any

from nbflow.core.manager import has_setup, is_declared, is_factory
from nbflow.core.resource_tasks import ResourceSetupTask
from nbflow.core.states import Skipped, State, Success
from nbflow.core.wrapped import Wrapped
from nbflow.engine.compiled_graph import CLEANUP, INIT, SETUP
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.interrupts import SHIELDED_INTERRUPTS
from nbflow.engine.open_resources import BlockStatus, OpenResource
from nbflow.engine.worker_scopes import WorkerScopes

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.cleanup import Cleanup
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.record import Record
    from nbflow.engine.resource_lifetime import ResourceLifetime
    from nbflow.engine.user_code import UserCode

_NOTHING = object()


class Lifecycle:
    """Sees to the resources of a run while it goes on.

    Attributes:
        on_open: Is told of the resource of a block that calls the tasks inside: see `Block.as_executor`.
        has_contexts: Whether setups have left one that their blocks' tasks are to run in.
        worker_scopes: The blocks whose resources the workers open.
    """

    def __init__(
        self, record: Record, cleanup: Cleanup, user_code: UserCode, guard: Guard, values: dict[str, Any]
    ) -> None:
        self.on_open: Callable[[ResourceLifetime, str, Any], None] | None = None
        self.has_contexts = False
        self.worker_scopes = WorkerScopes(cleanup)
        self._schedule, self._record, self._cleanup = record.schedule, record, cleanup
        self._user_code, self._guard, self._values = user_code, guard, values
        self._contexts_before: dict[int, contextvars.Context] = {}  # those that setups began with

    def open_resource(self, node: int) -> OpenResource | None:
        """Return the resource that an init, setup or cleanup belongs to."""
        lifetime = self._schedule.own[node]
        return None if lifetime is None else self._record.open_resources.get(lifetime.shape, lifetime.index)

    def base_of(self, node: int) -> contextvars.Context | None:
        """Return a copy of the context that the setup of the innermost block around a node has left (rule 16)."""
        lifetime = self._schedule.lifetime_around(node)
        while lifetime is not None:
            base = self._record.open_resources.get(lifetime.shape, lifetime.index).inner_context()
            if base is not None:
                return base
            lifetime = lifetime.outer
        return None

    def around(self, node: int) -> set[Task]:
        """Return the init and setup tasks around a node that may not have ended, although it is looked at already."""
        lifetime = self._schedule.lifetime_around(node)
        found: set[Task] = set()
        while lifetime is not None:
            if not lifetime.resolved:
                made_by = (lifetime.init, lifetime.setup) if lifetime.setup >= 0 else (lifetime.init,)
                found.update(self._schedule.task(one) for one in made_by)
            lifetime = lifetime.outer
        return found

    # -- before the attempt -----------------------------------------------------------------------------------

    def begin(self, node: int, role: int, task: Task, held: OpenResource) -> None:
        """Tell what an attempt is about to do to its resource, before it can (rule 10: the intention comes first)."""
        lifetime = self._schedule.own[node]
        if role == INIT and self.worker_scopes.is_on and lifetime is not None:
            self.worker_scopes.look_at(held, lifetime)
        if role == CLEANUP:
            self._record.set_block(held, BlockStatus.CLOSING)
            self._cleanup.tracker.closing(held)
        elif role == SETUP or held.block.setup_task is None:
            self._record.set_block(held, BlockStatus.OPENING)
            self._cleanup.tracker.intend(held)
        elif is_factory(task.run):  # what it makes may need no setup, and be open then
            self._cleanup.tracker.intend(held)

    def prepare(self, call: Call, role: int) -> None:
        """Give the call of an init, setup or cleanup what it needs beside its inputs."""
        task, inputs, held = call.task, call.inputs, call.held
        if role == CLEANUP:
            call.shielded = True
            if held is not None:
                self._cleanup.prepare(call, held)
            return
        if held is not None and (role == SETUP or opens_at_init(held, None)):
            call.is_setup = True
            held.context = call.base = call.base or contextvars.copy_context()
            self._contexts_before[call.node] = held.context.copy()
        if role == INIT and held is not None and self.worker_scopes.is_on:
            self.worker_scopes.prepare(call, held)
        if role == SETUP and type(task) is ResourceSetupTask and "run" not in vars(task):
            # With no line of ours between the resource and where it is kept.
            if issubclass(type(inputs["mgr"]), Wrapped):  # a proxy may raise when it is asked for its class
                call.keep(next)
                call.begin = inputs["mgr"].begin
            else:
                call.keep(operator.methodcaller("setup"), inputs["mgr"])
        else:
            call.keep(functools.partial(call.fn, **inputs))

    # -- after the attempt ------------------------------------------------------------------------------------

    def keep(self, call: Call, role: int, outcome: Outcome, state: State) -> None:
        """Note what a lifecycle task did to its resource; nothing may come between its end and this.

        A handler, a listener or an interrupt would find a resource that nobody owes a cleanup for.
        """
        held = call.held
        if held is None or self._schedule.own[call.node] is None:
            return
        went_well = is_well(state) and (role != CLEANUP or not outcome.error)
        is_setup = role == SETUP or (role == INIT and opens_at_init(held, state.result if went_well else None))
        if went_well and role == CLEANUP:
            self._record.open_resources.closed(held)
            self._record.set_block(held, held.cleaned())
            self._cleanup.tracker.closed(held)
        elif went_well:
            if role == INIT:
                held.manager = state.result
                if not is_setup and is_factory(call.task.run):
                    self._cleanup.tracker.closed(held)  # nothing was open: its setup says again that it begins
            if is_setup:
                self._opened(held, call.node, state.result if role == SETUP else None)
        elif is_setup:
            self._end_half(held, call, outcome.error)
        if call.hook_error is not None:
            text = f"a hook of {held.name!r} raised {error_text(call.hook_error)}; its cleanup was made all the same"
            self._record.note(text, call.task)
            warn_safely(text)

    def _opened(self, held: OpenResource, node: int, resource: object) -> None:
        self._record.open_resources.opened(held, resource)  # first of all: from here on it owes its cleanup
        before = self._contexts_before.pop(node, None)
        if held.context is not None and before is not None and _is_like(held.context, before):
            held.context = None  # most setups set no variable, and their blocks' tasks are spared a copy each
        self.has_contexts |= held.host is not None or held.context is not None
        lifetime = self._schedule.own[node]
        if lifetime is not None:
            self._schedule.opened(lifetime)
        self._record.set_block(held, BlockStatus.OPEN)
        # Before any task may use it: rule 10 has the handle on disk by then.
        if self._may_have_handle(held):  # which is the user's code
            self._user_code.call(self._values.copy(), self._cleanup.tracker.opened, held)
        else:
            self._cleanup.tracker.opened(held)
        if lifetime is not None and self.on_open is not None and held.block.is_executor:
            found = held.manager if held.block.setup_task is None else resource
            self._user_code.call(self._values.copy(), self.on_open, lifetime, held.name, found)

    def _may_have_handle(self, held: OpenResource) -> bool:
        """Tell whether a manager has a `handle`; one that raises when it is asked (rule 17) can do without."""
        if _is_plainly_without(held.manager, "handle"):
            return False
        found, error = self._user_code.ask(self._values.copy(), hasattr, held.manager, "handle")
        if error is not None and is_declared(held.manager, "handle"):
            return True  # the tracker will meet it, and say so
        if error is not None:
            text = f"the manager of {held.name!r} raised {error_text(error)} when it was asked for `handle`"
            self._record.note(text, held.block.init_task)
            warn_safely(f"{text}; if this kernel dies, nobody reclaims its resource")
        return bool(found)

    def _end_half(self, held: OpenResource, call: Call, error: BaseException | None) -> None:
        """Undo what a setup that did not end well may have made, or say that it may be left."""
        self._record.set_block(held, BlockStatus.LEAKED if held.half else BlockStatus.CLOSED)
        left = self._cleanup.half_setup(held, call, error)
        if left.error is not None:
            self.leak(held, left.error, None)
        elif left.is_unknown:
            self._record.set_block(held, BlockStatus.LEAKED)
            self._cleanup.tracker.abandoned(held)
            self._record.note(cut_short(held), call.task)
            warn_safely(cut_short(held))
        else:
            self._cleanup.tracker.closed(held)

    def ended(self, node: int, state: State) -> None:
        """See to it that the end of a cleanup task for good leaves nothing open in silence (rule 7)."""
        held = self.open_resource(node)
        if held is None:
            return
        if held.owes_cleanup:
            self.leak(held, state.result if isinstance(state.result, BaseException) else None, state.message)
        elif held.status is BlockStatus.CLOSED:
            self._record.set_block(held, BlockStatus.SKIPPED)

    def leak(
        self, held: OpenResource, error: BaseException | None, message: str | None, *, abandoned: bool = False
    ) -> None:
        """Note that a resource was not cleaned up, and say so wherever the run is shown."""
        # Rule 6: the third interrupt raises in the cleanup itself, before the loop reads that the run gives up.
        if isinstance(error, KeyboardInterrupt) and self._guard.count >= SHIELDED_INTERRUPTS:
            abandoned = True
        held.error = error or RuntimeError(message or "the cleanup did not succeed")
        self._give_up(held, BlockStatus.LEAKED)
        if abandoned:
            self._cleanup.tracker.abandoned(held)
        else:
            self._cleanup.tracker.failed(held, held.error)
        text = f"cleanup of {held.name!r} failed, its resource may be left: {error_text(held.error)}"
        self._record.note(text, held.block.cleanup_task)
        warn_safely(text)

    def leave_open(self, held: OpenResource, task: Task) -> None:
        """Rule 19: note that a resource is kept, as its author says; it can be cleaned up later."""
        self._give_up(held, BlockStatus.KEPT)
        self._cleanup.tracker.kept(held)
        self._record.note(f"the resource of {held.name!r} is kept, as the trigger of its cleanup said", task)

    def _give_up(self, held: OpenResource, status: BlockStatus) -> None:
        # Whoever reads the new status may ask for another try at once.
        held.clean_again = functools.partial(self._cleanup.again, held)
        self._record.open_resources.closed(held)
        self._record.set_block(held, status)


def is_well(state: State) -> bool:
    """Tell whether a lifecycle task did its work: by its state, as a setup may give its resource by raising SUCCESS."""
    return isinstance(state, Success) and not isinstance(state, Skipped)


def cut_short(held: OpenResource) -> str:
    """Return what to say of a setup of which nobody knows what it has made."""
    return f"the setup of {held.name!r} was cut short; what it had made may be left"


def opens_at_init(held: OpenResource, manager: object) -> bool:
    """Tell whether the init of a block is its setup: that of a manager without `setup`; of none, whether it may be."""
    if held.block.setup_task is None:
        return True
    return is_factory(held.block.init_task.run) and (manager is None or not has_setup(manager))


def _is_plainly_without(manager: object, name: str) -> bool:
    """Tell whether the class of a manager has no such attribute, as far as that is seen without the user's code."""
    cls: Any = type(manager)
    return type(cls) is type and _is_class_without(cls, name)


@functools.lru_cache(maxsize=64)
def _is_class_without(cls: Any, name: str) -> bool:
    if cls.__getattribute__ is not object.__getattribute__:
        return False
    return not any(name in vars(one) or "__getattr__" in vars(one) for one in cls.__mro__)


def _is_like(one: contextvars.Context, other: contextvars.Context) -> bool:
    """Tell whether the variables of two contexts have the same values."""
    return len(one) == len(other) and all(other.get(var, _NOTHING) is value for var, value in one.items())
