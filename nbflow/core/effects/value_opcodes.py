"""The operations that read, change, combine and unpack objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.effects.abstract_heap import ATOM, NOTHING, NULL
from nbflow.core.effects.attributes import attribute, store_attribute
from nbflow.core.effects.bytecode import NAMED, State, Ways
from nbflow.core.effects.item_access import item, iterated, store_item
from nbflow.core.effects.operations import known_only, matched, operate, operate_in_place, tested, use

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

_INPLACE = 13  # the first operator of BINARY_OP that is written with `=`
way = Ways()


# Reading and changing


@way("LOAD_ATTR")
def _load_attr(frame: Frame, state: State, argument: int) -> None:
    index, is_method = (argument >> 1, argument & 1) if NAMED else (argument, 0)
    found = attribute(frame, state.stack.pop(), frame.code.co_names[index])
    state.stack.append(found)
    if is_method:
        state.stack.append(NULL)


@way("LOAD_METHOD")
def _load_method(frame: Frame, state: State, argument: int) -> None:
    state.stack += [attribute(frame, state.stack.pop(), frame.code.co_names[argument]), NULL]


@way("STORE_ATTR")
def _store_attr(frame: Frame, state: State, argument: int) -> None:
    value, owner = state.pop(2)
    store_attribute(frame, owner, frame.code.co_names[argument], value)


@way("DELETE_ATTR")
def _delete_attr(frame: Frame, state: State, argument: int) -> None:
    frame.analysis.change(state.stack.pop())


@way("BINARY_SUBSCR")
def _subscript(frame: Frame, state: State, argument: int) -> None:
    owner, key = state.pop(2)
    state.stack.append(item(frame, owner, key))


@way("BINARY_SLICE")
def _slice(frame: Frame, state: State, argument: int) -> None:
    owner = state.pop(3)[0]
    key = frozenset({frame.heap.interned("atom", slice, slice, None)})
    state.stack.append(item(frame, owner, key))


@way("STORE_SUBSCR")
def _store_subscript(frame: Frame, state: State, argument: int) -> None:
    value, owner, key = state.pop(3)
    # A slice takes the elements of what is assigned.
    store_item(frame, owner, key | value | frame.heap.contents(value))


@way("STORE_SLICE")
def _store_slice(frame: Frame, state: State, argument: int) -> None:
    value, owner, _, _ = state.pop(4)
    store_item(frame, owner, value | frame.heap.contents(value))


@way("DELETE_SUBSCR")
def _delete_subscript(frame: Frame, state: State, argument: int) -> None:
    owner, _ = state.pop(2)
    store_item(frame, owner, NOTHING)


@way("BINARY_OP")
def _binary(frame: Frame, state: State, argument: int) -> None:
    one, other = state.pop(2)
    if argument >= _INPLACE:
        state.stack.append(operate_in_place(frame, one, other))
    else:
        state.stack.append(operate(frame, one | other))


@way("COMPARE_OP")
def _compare(frame: Frame, state: State, argument: int) -> None:
    one, other = state.pop(2)
    state.stack.append(operate(frame, one | other, is_comparison=True))


@way("CONTAINS_OP")
def _contains(frame: Frame, state: State, argument: int) -> None:
    one, other = state.pop(2)
    operate(frame, one, is_comparison=True)
    iterated(frame, other)
    use(frame, other)
    state.stack.append(ATOM)


@way("IS_OP")
def _is(frame: Frame, state: State, argument: int) -> None:
    state.pop(2)
    state.stack.append(ATOM)


@way("CHECK_EXC_MATCH")
def _exception_match(frame: Frame, state: State, argument: int) -> None:
    state.stack[-1] = ATOM


@way("UNARY_NEGATIVE", "UNARY_INVERT", "UNARY_POSITIVE")
def _unary(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(operate(frame, state.stack.pop()))


@way("UNARY_NOT", "TO_BOOL")
def _not(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    tested(frame, value)
    # What `TO_BOOL` leaves is only popped by the jump after it.
    state.stack.append(ATOM)


@way("UNPACK_SEQUENCE")
def _unpack(frame: Frame, state: State, argument: int) -> None:
    state.stack += [iterated(frame, state.stack.pop())] * argument


@way("UNPACK_EX")
def _unpack_ex(frame: Frame, state: State, argument: int) -> None:
    found = iterated(frame, state.stack.pop())
    rest = frame.fresh(list, found)
    state.stack += [*[found] * (argument >> 8), rest, *[found] * (argument & 255)]


@way("MATCH_SEQUENCE", "MATCH_MAPPING", "RETURN_GENERATOR", "WITH_EXCEPT_START")
def _atom(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(ATOM)


@way("MATCH_KEYS")
def _match_keys(frame: Frame, state: State, argument: int) -> None:
    known_only(state.stack[-2])
    state.stack.append(frame.fresh(tuple, frame.heap.contents(state.stack[-2]), "keys"))


@way("MATCH_CLASS")
def _match_class(frame: Frame, state: State, argument: int) -> None:
    subject = state.pop(3)[0]
    state.stack.append(matched(frame, subject))
