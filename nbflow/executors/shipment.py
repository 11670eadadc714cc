"""The kernel's half of a call in another process: what it sends, and what it makes of what comes back."""

from __future__ import annotations

import logging
import pickle
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import identity
from nbflow.core.effects.code_reach import draws_random
from nbflow.core.effects.mutation import may_change
from nbflow.engine.attempt import outcome_of
from nbflow.engine.attempt_contexts import OF_AN_ATTEMPT
from nbflow.engine.capture import end_turns, keep_record
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.random_state import restore, state_of
from nbflow.engine.remote_value import Expected, arrived
from nbflow.executors.errors import CannotReturnError
from nbflow.executors.parcel import Returned, address_of, check_parts, packed, unpacked_here
from nbflow.executors.remote_display import show_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.attempt import Call
    from nbflow.executors.bundle import Bundle
    from nbflow.executors.parcel import Raised

LEVELS = "_levels"


class Shipper:
    """Sends calls of one run."""

    def __init__(self) -> None:
        self._base: bytes | None = None  # what all tasks of the run know: it does not change

    def ship(self, bundle: Bundle, *, knows_base: bool = False) -> list[Any]:
        """Return the calls of a bundle as bytes; those that cannot be pickled end with a CannotTravelError."""
        if self._base is None:
            self._base = base_of(bundle.left[0].context)
        base = b"" if knows_base else self._base
        places = {call: number for number, call in enumerate(bundle.left)}
        try:
            return packed((base, [_placed(call, places) for call in bundle.left]))
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises when it is pickled
            if len(bundle.left) == 1:
                self._refuse(bundle, bundle.left[0], error)
                return []
        for call in tuple(bundle.left):
            try:
                packed(_placed(call, places))
            except Exception as error:  # noqa: BLE001 - the same
                if call in bundle.left:  # else it has gone with one that it expects
                    self._refuse(bundle, call, error)
        return self.ship(bundle, knows_base=knows_base) if bundle.left else []

    def _refuse(self, bundle: Bundle, call: Call, error: Exception) -> None:
        refusal = check_parts(call, call.fn, error)
        refusal.__cause__ = error
        bundle.ended(call, outcome_of(call, refusal))


def shipped_of(call: Call, known: dict[int, tuple[Any, ...]] | None = None) -> tuple[Any, ...]:
    """Return what another process needs of a call: a `Shipped`, as a plain tuple, which takes less to pickle.

    What is `known` of functions by their identity is not found out once more; it is added to.
    """
    function = call.fn
    found = None if known is None else known.get(id(function))
    if found is None:
        found = address_of(function), draws_random(function), function
        if known is not None:
            known[id(function)] = found
    address, names, _ = found
    if call.made is None and call.own is not None:
        context = call.own(call.node, call.task)
    else:
        made = call.context
        context = {key: made[key] for key in OF_AN_ATTEMPT if key in made}
    draws = dict.fromkeys(names) | state_of(names) if names else {}  # None: what is loaded there first
    return call.task.name, call.task.files, address, call.inputs, context, draws


def _placed(call: Call, places: Mapping[Call, int]) -> tuple[Any, ...]:
    """Return what another process needs of a call in a bundle, whose calls have these places."""
    shipped, inputs = shipped_of(call), call.inputs
    expects: dict[int, list[str]] = {}
    if call.expects:
        inputs = inputs.copy()
        expects = {places[up]: [] for up in call.expects if up in places}
        for key, value in call.inputs.items():
            if type(value) is Expected:
                if value.call in places:
                    inputs[key] = None  # keeps its place among the arguments
                    expects[places[value.call]].append(key)
                else:
                    inputs[key] = arrived(value)
    if len(places) > 1:
        inputs = apart(call, inputs)
    return *shipped[:3], inputs, *shipped[4:], expects


def apart(call: Call, inputs: dict[str, Any]) -> Any:
    """Return the arguments of a call that travels with others: pickled by themselves, if it may change one.

    Pickled with the others, what several take would be one and the same where they get to.
    """
    if ATOMS.issuperset(map(identity, map(type, inputs.values()))):
        return inputs
    if not any(not is_fixed(value) and may_change(call.fn, key, value) for key, value in inputs.items()):
        return inputs
    head, *buffers = packed(inputs)
    return [head, *map(pickle.PickleBuffer, buffers)]


def base_of(context: dict[str, Any]) -> bytes:
    """Return what of a context can be pickled; a task finds that its context does not have the rest."""
    import cloudpickle

    # Loggers are to say there what they would say here.
    loggers = logging.root.manager.loggerDict.items()
    levels = {name: one.level for name, one in loggers if isinstance(one, logging.Logger) and one.level}
    base: dict[str, Any] = {LEVELS: {"": logging.root.level, **levels}}
    for key, value in context.items():
        if key[:1] != "_" and key not in OF_AN_ATTEMPT:
            with suppress(Exception):
                packed(value)
                base[key] = value
    pickled: bytes = cloudpickle.dumps(base)
    return pickled


def take_in(call: Call, parts: list[Any] | tuple[Any, ...]) -> Any:
    """Return what a call came to, or raise what its task has raised; `parts` is a `Returned` or its bytes."""
    if isinstance(parts, tuple):
        returned = Returned(*parts)
    else:
        try:
            returned = Returned(*unpacked_here(parts))
        except Exception as error:
            raise CannotReturnError(call.task.name, "value", f"it cannot be made again here: {error}") from error
        parts.clear()
    call.began_at, call.ended_at, call.files = returned.began_at, returned.ended_at, returned.files
    if returned.draws:
        restore(returned.draws)
    if returned.raised is not None:
        raise error_of(returned.raised)
    return returned.value


def error_of(raised: Raised) -> BaseException:
    """Make an error again, with its traceback and what led to it."""
    error = raised.error
    if raised.args is not None:
        error = error.__new__(error, *raised.args)
        error.args = raised.args
        error.__dict__.update(raised.members)
    if raised.trace is not None:
        from tblib import Traceback

        error = error.with_traceback(Traceback.from_dict(raised.trace).as_traceback())
    error.__cause__ = None if raised.cause is None else error_of(raised.cause)
    error.__context__ = None if raised.context is None else error_of(raised.context)
    error.__suppress_context__ = raised.is_from
    made: BaseException = error
    return made


def show_of(call: Call | None, stream: str, text: str) -> None:
    """Say here what a call has said in another process, as if this thread was busy with it."""
    before = thread.held
    if call is not None:
        thread.held = call
    try:
        show(stream, text)
    finally:
        thread.held = before


def show(stream: str, text: str) -> None:
    """Say here what a task has said in another process: this thread is busy with it."""
    end_turns()  # where the run was started by a task, the context is that task's
    if stream == "log":
        record = logging.makeLogRecord(pickle.loads(bytes.fromhex(text)))
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)
        else:  # over there it is: a task has set up logging
            keep_record(record)
    elif stream == "display":
        show_here(text)
    else:
        getattr(sys, stream).write(text)
