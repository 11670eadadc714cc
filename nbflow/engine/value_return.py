"""The values that are fetched before the workers that have them go, and what is said of those that go with them.

docs/reruns.md, rules V5 and V6. Fetched is what a task still takes that is called elsewhere, what tells how the flow
went (terminal and reference tasks) and what a person has pinned or wants to be kept. It is the kernel's from then on,
as if its task had been called here; all else is given back, once a store that waits for it has it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.context import context_without_work
from nbflow.core.states import Mapped, Released, Success, without_value
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.nodes import DONE
from nbflow.engine.plan import STICKY
from nbflow.engine.remote_value import Gathered
from nbflow.engine.retention import AGAIN, ALL_KEPT
from nbflow.engine.state_values import reference_of, references_in, with_value
from nbflow.engine.value_holder import fetched_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.executor import Session
    from nbflow.engine.inbox import Inbox
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.record import Record
    from nbflow.engine.remote_value import RemoteValue
    from nbflow.engine.resource_lifetime import ResourceLifetime
    from nbflow.engine.retention import Retention
    from nbflow.engine.value_handover import ValueHandover

LARGE_BYTES = 100_000_000
_FETCHERS = 4  # packs of values that are under way at once
_MOST_AT_ONCE = 256  # small values
_PACK_BYTES = 20_000_000
_CANCELLED_S = 5.0  # what a cancelled run still waits for values
_SLICE_S = 0.05
_FEW = 5


class _Held(NamedTuple):
    """A state whose value is with the workers that go: which child of its task it is of, if any, and whether needed."""

    task: Task
    child: int
    state: State
    is_needed: bool


class ValueReturn:
    """Sees to the values of sessions that are about to be closed; on the run's thread."""

    def __init__(
        self,
        record: Record,
        inputs: Inputs,
        handover: ValueHandover,
        retention: Retention,
        cancellation: Cancellation,
        guard: Guard,
        inbox: Inbox,
    ) -> None:
        self._record, self._graph, self._inputs = record, record.graph, inputs
        self._keep, self._retention = handover.keep, retention
        self._cancellation, self._guard, self._inbox = cancellation, guard, inbox
        self._errors: dict[RemoteValue, str] = {}  # why values could not be fetched

    def fetch_ahead(self, session: Session, where: str, lifetime: ResourceLifetime, then: Callable[[], None]) -> bool:
        """Begin to fetch what `before_loss` is going to need, and have the run's thread call `then` when it is here.

        Returns False if there is nothing to wait for.
        """
        values = self._wanted(session, self._held_by(session, lifetime))
        if not values:
            return False
        self._say_if_large(values, where)

        def work() -> None:
            self._fetch(values)
            self._inbox.put((then, ()))

        threading.Thread(target=context_without_work().run, args=(work,), name="nbflow-values", daemon=True).start()
        return True

    def before_loss(self, session: Session, where: str, lifetime: ResourceLifetime | None) -> None:
        """Fetch what is needed of the values of a session, if it is not here yet, and let go of the others.

        Args:
            session: Whose values are lost when it is closed.
            where: Where they are, in words.
            lifetime: The block's resource that the session belongs to; None if it is the run's own.
        """
        held = self._held_by(session, lifetime)
        values = self._wanted(session, held)
        if values:
            self._say_if_large(values, where)
            self._fetch(values)
        missed: dict[Task, str] = {}
        for one in held:
            why = next((self._errors[value] for value in references_in(one.state) if value in self._errors), "")
            if why:
                missed[one.task] = why
                self._let_go(one, f"its value was {where}, and could not be fetched before: {why}")
            elif not self._take_in(one):
                self._let_go(one, f"its value was {where}")
        for task, why in missed.items():
            text = f"the value of {task.name!r} could not be fetched before it went: {why}"
            self._record.note(text, task)
            warn_safely(text)

    def _held_by(self, session: Session, lifetime: ResourceLifetime | None) -> list[_Held]:
        found: list[_Held] = []
        if not self._inputs.meet_references:
            return found
        needed = self._needed(-1 if lifetime is None else lifetime.shape)
        for task, state in tuple(self._record.states.items()):
            children = enumerate(tuple(state.map_states)) if isinstance(state, Mapped) else ((-1, state),)
            for child, one in children:
                if isinstance(one, Success) and any(map(session.has, references_in(one))):
                    found.append(_Held(task, child, one, task in needed))
        return found

    def _wanted(self, session: Session, held: Iterable[_Held]) -> list[RemoteValue]:
        """Return what is still to be fetched, each value once."""
        values = dict.fromkeys(
            value for one in held for value in references_in(one.state) if one.is_needed or value.is_awaited
        )
        return [value for value in values if session.has(value) and not (value.is_brought or value in self._errors)]

    def _needed(self, shape: int) -> set[Task]:
        """Return the tasks whose values are needed when no task inside of a block is called any more."""
        graph, phase, sources = self._graph, self._record.schedule.phase, self._record.sources
        found = {*graph.terminal, *graph.reference, *(task for task in sources if sources[task] in STICKY)}
        found.update(task for task in graph.tasks if (task.keep or self._retention.keep) == ALL_KEPT)
        for node, edges in enumerate(graph.edges_in):
            if phase[node] != DONE and (shape < 0 or shape not in graph.enclosing(graph.shape_of[node])):
                found.update(edge.upstream_task for edge in edges if edge.key is not None)
        return found

    def _say_if_large(self, values: Iterable[RemoteValue], where: str) -> None:
        sizes: dict[str, int] = {}
        for value in values:
            if not value.is_here:
                sizes[value.task] = sizes.get(value.task, 0) + (value.facts.size or 0)
        if sum(sizes.values()) <= LARGE_BYTES:
            return
        largest = sorted(sizes, key=lambda name: -sizes[name])
        few = ", ".join(f"{name!r} {_in_mb(sizes[name])}" for name in largest[:_FEW]) + ", ..." * (len(sizes) > _FEW)
        text = (
            f"{_in_mb(sum(sizes.values()))} of values are fetched that were {where} ({few}): they are taken elsewhere, "
            "or are what the flow comes to; end with a task that returns less"
        )
        self._record.note(text)
        warn_safely(text)

    # -- fetching -----------------------------------------------------------------------------------------------------

    def _fetch(self, values: list[RemoteValue]) -> None:
        """Have values brought, several at once, and note why one did not come."""
        pending, left = deque(_packs(values)), set(values)
        is_done = threading.Event()

        def bring() -> None:
            while True:
                try:
                    pack = pending.popleft()
                except IndexError:
                    return
                found = fetched_together(pack) if len(pack) > 1 else {}
                for value in pack:
                    try:
                        value.bring(*((found[value],) if value in found else ()))
                    except BaseException as error:  # noqa: BLE001 - of the network, or of a class that is not here
                        self._errors[value] = error_text(error)
                    left.discard(value)
                if not left:
                    is_done.set()

        for _ in range(min(_FETCHERS, len(pending))):
            around = context_without_work()
            threading.Thread(target=around.run, args=(bring,), name="nbflow-values", daemon=True).start()
        self._wait(is_done)
        pending.clear()
        self._errors.update(dict.fromkeys(tuple(left), "the run was cancelled meanwhile"))

    def _wait(self, is_done: threading.Event) -> None:
        """Wait until all have come; the less, the more often the user has asked the run to stop."""
        waited = 0.0
        while not is_done.wait(_SLICE_S):
            waited += _SLICE_S if self._cancellation.is_wanted else 0.0
            if waited > _CANCELLED_S or self._guard.count > 1 or self._cancellation.is_hurried:
                return

    # -- what follows -------------------------------------------------------------------------------------------------

    def _take_in(self, one: _Held) -> bool:
        """Make a value the kernel's own, as if it had been made here; False if it is not here."""
        reference = reference_of(one.state)
        # What a person has seen and left as it was stays; what was brought for somebody else does not.
        if not one.is_needed and (type(reference) is Gathered or reference.is_brought or not reference.is_as_it_came):
            return False
        value = reference.brought() if type(reference) is Gathered else reference.look()
        with_value(one.state, self._keep(one.task, value))
        self._inputs.forget(one.task)
        return True

    def _let_go(self, one: _Held, why: str) -> None:
        parent = self._record.states[one.task]
        if one.child >= 0 and isinstance(parent, Mapped):
            gone = Released(one.task.name, why, AGAIN.format(task=one.task.name))
            parent.map_states[one.child] = without_value(one.state, gone)
            self._inputs.forget(one.task)
        else:
            self._retention.release(one.task, why)


def _packs(values: Iterable[RemoteValue]) -> Iterator[list[RemoteValue]]:
    """Yield values as they are fetched: many small ones together, large ones alone."""
    pack: list[RemoteValue] = []
    size = 0
    for value in values:
        size += value.facts.size or 0
        if pack and (len(pack) >= _MOST_AT_ONCE or size > _PACK_BYTES):
            yield pack
            pack, size = [], value.facts.size or 0
        pack.append(value)
    if pack:
        yield pack


def _in_mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
