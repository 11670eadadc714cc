"""The abstract interpreter: a frame's bytecode, followed on all its ways until nothing new is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.effects import flow_opcodes, name_opcodes, value_opcodes
from nbflow.core.effects.abstract_heap import ATOM, MayChangeError, Value
from nbflow.core.effects.bytecode import State, decoded

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

_WAYS: dict[str, Any] = {**name_opcodes.way, **value_opcodes.way, **flow_opcodes.way}


def follow(frame: Frame) -> Value:
    """Follow all ways of a frame's code; returns what may be returned."""
    steps, after, ranges = decoded(frame.code)
    states: dict[int, State] = {0: State(frame.start, [])}
    pending = [0]
    handlers = {offset: [r for r in ranges if r[0] <= offset < r[1]] for offset in steps} if ranges else {}
    targets = {step[2] for step in steps.values()} | {r[2] for r in ranges}
    while pending:
        offset = pending.pop()
        state = states[offset].copy()
        while True:
            frame.analysis.count_step()
            frame.offset = offset
            for _, _, target, depth, lasti in handlers.get(offset, ())[-1:]:
                stack = [*state.stack[:depth], *([ATOM] if lasti else []), frame.analysis.raised()]
                _arrive(states, pending, target, State(state.names, stack))
            name, argument, target = steps[offset]
            way = _WAYS.get(name)
            if way is None:
                raise MayChangeError
            goes_on = way(frame, state, argument)
            if goes_on is not None:  # a jump: what the stack is there, and whether it may also go on
                there, continues = goes_on
                if there is not None:
                    _arrive(states, pending, target, State(state.names, there))
                if not continues:
                    break
            offset = after[offset]
            if offset in targets:
                _arrive(states, pending, offset, state)
                break
    return frozenset(frame.result)


def _arrive(states: dict[int, State], pending: list[int], offset: int, state: State) -> None:
    found = states.get(offset)
    if found is None:
        states[offset] = state.copy()
        pending.append(offset)
    elif found.join(state):
        pending.append(offset)
