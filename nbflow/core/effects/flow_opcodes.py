"""The operations that jump, return, raise, make functions and call them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbflow.core.effects.abstract_heap import ATOM, NOTHING, NULL, OUTER, MayChangeError, Value
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.bytecode import NAMED, State, Ways, decoded
from nbflow.core.effects.calling import call, make_function
from nbflow.core.effects.item_access import iterated, iterator
from nbflow.core.effects.operations import entered, tested

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

way = Ways()


# Jumps


@way("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
def _jump(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    return state.stack, False


@way(*(f"POP_JUMP_{way}IF_{when}" for way in ("", "FORWARD_", "BACKWARD_") for when in ("TRUE", "FALSE")))
def _jump_if(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    tested(frame, state.stack.pop())
    return state.stack, True


@way(*(f"POP_JUMP_{way}IF_{when}" for way in ("", "FORWARD_", "BACKWARD_") for when in ("NONE", "NOT_NONE")))
def _jump_if_none(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    state.stack.pop()
    return state.stack, True


@way("JUMP_IF_FALSE_OR_POP", "JUMP_IF_TRUE_OR_POP")
def _jump_or_pop(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    there = list(state.stack)
    tested(frame, state.stack.pop())
    return there, True


@way("GET_ITER", "GET_YIELD_FROM_ITER")
def _iter(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    state.stack.append(iterator(frame, iterated(frame, value), value))


@way("FOR_ITER")
def _for(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    there = [*state.stack, ATOM] if NAMED else state.stack[:-1]
    state.stack.append(iterated(frame, state.stack[-1]))
    return there, True


@way("END_FOR")
def _end_for(frame: Frame, state: State, argument: int) -> None:
    state.pop(1 if sys.version_info >= (3, 13) else 2)


@way("RETURN_VALUE", "INSTRUMENTED_RETURN_VALUE")
def _return(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    frame.result |= state.stack.pop()
    return None, False


@way("RETURN_CONST")
def _return_const(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    frame.result |= ATOM
    return None, False


@way("YIELD_VALUE")
def _yield(frame: Frame, state: State, argument: int) -> None:
    frame.result |= state.stack.pop()
    state.stack.append(OUTER)


@way("SEND")
def _send(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    state.stack.pop()
    found = iterated(frame, state.stack[-1]) | state.stack[-1]
    there = [*state.stack, found] if NAMED else [*state.stack[:-1], found]
    state.stack.append(found)
    return there, True


@way("END_SEND")
def _end_send(frame: Frame, state: State, argument: int) -> None:
    del state.stack[-2]


@way("RERAISE", "RAISE_VARARGS")
def _raise(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    if decoded(frame.code)[0][frame.offset][0] == "RAISE_VARARGS":
        for value in state.pop(argument):
            frame.analysis.add_raised(value)
    return None, False


@way("PUSH_EXC_INFO")
def _push_exception(frame: Frame, state: State, argument: int) -> None:
    state.stack.insert(-1, ATOM)


@way("BEFORE_WITH", "BEFORE_ASYNC_WITH")
def _before_with(frame: Frame, state: State, argument: int) -> None:
    manager = state.stack.pop()
    state.stack += [OUTER, entered(frame, manager)]


@way("CALL_INTRINSIC_1")
def _intrinsic(frame: Frame, state: State, argument: int) -> None:
    if argument not in (3, 4, 5, 6):  # StopIteration, an async generator's value, unary +, a list to a tuple
        raise MayChangeError


# Calls


@way("MAKE_FUNCTION")
def _make_function(frame: Frame, state: State, argument: int) -> None:
    code = next(iter(state.stack.pop())).value
    closure = state.stack.pop() if argument & 8 else NOTHING
    if argument & 4:
        state.stack.pop()
    kwdefaults = state.stack.pop() if argument & 2 else NOTHING
    defaults = state.stack.pop() if argument & 1 else NOTHING
    state.stack.append(make_function(frame, code, closure, defaults | kwdefaults))


@way("SET_FUNCTION_ATTRIBUTE")
def _set_function_attribute(frame: Frame, state: State, argument: int) -> None:
    value, function = state.pop(2)
    if argument in (1, 2):  # its defaults
        for one in function:
            frame.heap.add(one, value)
    state.stack.append(function)


@way("KW_NAMES")
def _keyword_names(frame: Frame, state: State, argument: int) -> None:
    frame.keywords = frame.code.co_consts[argument]


@way("CALL")
def _call(frame: Frame, state: State, argument: int) -> None:
    names, frame.keywords = frame.keywords, ()
    _do_call(frame, state, argument, names)


@way("CALL_KW")
def _call_kw(frame: Frame, state: State, argument: int) -> None:
    names = next(iter(state.stack.pop())).value
    _do_call(frame, state, argument, names)


def _do_call(frame: Frame, state: State, count: int, names: tuple[str, ...]) -> None:
    given = state.pop(count)
    one, other = state.pop(2)
    if one == NULL:
        one = other
    elif other != NULL:
        given.insert(0, other)
    keywords = dict(zip(names, given[len(given) - len(names) :], strict=True))
    positional = given[: len(given) - len(names)]
    state.stack.append(call(frame, one, Arguments(positional, keywords)))


@way("CALL_FUNCTION_EX")
def _call_unpacked(frame: Frame, state: State, argument: int) -> None:
    keywords = state.stack.pop() if argument & 1 else NOTHING
    given = state.stack.pop()
    one, other = state.pop(2)
    function = other if one == NULL else one
    rest = iterated(frame, given) | iterated(frame, keywords)
    state.stack.append(call(frame, function, Arguments(rest=rest)))
