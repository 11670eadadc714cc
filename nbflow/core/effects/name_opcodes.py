"""The operations that move objects on the stack, bind and read names, and make objects."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbflow.core.effects.abstract_heap import ATOM, NOTHING, NULL, OUTER
from nbflow.core.effects.attributes import attribute
from nbflow.core.effects.bytecode import State, Ways, decoded
from nbflow.core.effects.item_access import iterated
from nbflow.core.effects.operations import use

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

way = Ways()


@way("RESUME", "NOP", "COPY_FREE_VARS", "PRECALL", "CACHE", "SETUP_ANNOTATIONS", "ASYNC_GEN_WRAP", "PUSH_FRAME")
@way("LIST_TO_TUPLE", "GET_AWAITABLE")
def _nothing(frame: Frame, state: State, argument: int) -> None:
    """Nothing that matters here: the same objects in another one, or what a call has given already."""


@way("POP_TOP", "POP_EXCEPT", "PRINT_EXPR", "END_SEND_13")
def _pop(frame: Frame, state: State, argument: int) -> None:
    state.stack.pop()


@way("PUSH_NULL")
def _null(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(NULL)


@way("COPY")
def _copy(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(state.stack[-argument])


@way("SWAP")
def _swap(frame: Frame, state: State, argument: int) -> None:
    stack = state.stack
    stack[-1], stack[-argument] = stack[-argument], stack[-1]


# Names


@way("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_CLOSURE")
def _load_fast(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(state.names.get(argument, NOTHING))


@way("LOAD_FAST_AND_CLEAR")
def _load_fast_and_clear(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(state.names.pop(argument, NOTHING))


@way("LOAD_FAST_LOAD_FAST")
def _load_two(frame: Frame, state: State, argument: int) -> None:
    _load_fast(frame, state, argument >> 4)
    _load_fast(frame, state, argument & 15)


@way("STORE_FAST")
def _store_fast(frame: Frame, state: State, argument: int) -> None:
    state.names[argument] = state.stack.pop()


@way("STORE_FAST_LOAD_FAST")
def _store_load(frame: Frame, state: State, argument: int) -> None:
    _store_fast(frame, state, argument >> 4)
    _load_fast(frame, state, argument & 15)


@way("STORE_FAST_STORE_FAST")
def _store_two(frame: Frame, state: State, argument: int) -> None:
    _store_fast(frame, state, argument >> 4)
    _store_fast(frame, state, argument & 15)


@way("DELETE_FAST")
def _delete_fast(frame: Frame, state: State, argument: int) -> None:
    state.names.pop(argument, None)


@way("MAKE_CELL")
def _make_cell(frame: Frame, state: State, argument: int) -> None:
    held = state.names.get(argument, NOTHING)
    state.names[argument] = frozenset({frame.heap.new((id(frame.code), "cell", argument), None, held)})


@way("LOAD_DEREF", "LOAD_CLASSDEREF")
def _load_deref(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(frame.analysis.in_cells(state.names.get(argument, NOTHING)))


@way("LOAD_FROM_DICT_OR_DEREF")
def _load_dict_or_deref(frame: Frame, state: State, argument: int) -> None:
    state.stack.pop()
    _load_deref(frame, state, argument)


@way("STORE_DEREF")
def _store_deref(frame: Frame, state: State, argument: int) -> None:
    frame.analysis.store(state.names.get(argument, OUTER), state.stack.pop())


@way("DELETE_DEREF", "DELETE_GLOBAL")
def _delete_deref(frame: Frame, state: State, argument: int) -> None:
    """The cell may still hold what it held, as far as this look knows."""


@way("LOAD_CONST")
def _load_const(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(frame.heap.known(frame.code.co_consts[argument]))


@way("LOAD_GLOBAL")
def _load_global(frame: Frame, state: State, argument: int) -> None:
    found = frame.look_up(frame.code.co_names[argument >> 1])
    if argument & 1:
        state.stack += [found, NULL] if sys.version_info >= (3, 13) else [NULL, found]
    else:
        state.stack.append(found)


@way("LOAD_NAME")
def _load_name(frame: Frame, state: State, argument: int) -> None:
    name = frame.code.co_names[argument]
    found = state.names.get(name)
    state.stack.append(frame.look_up(name) if found is None else found)


@way("STORE_NAME")
def _store_name(frame: Frame, state: State, argument: int) -> None:
    name, value = frame.code.co_names[argument], state.stack.pop()
    state.names[name] = value
    if frame.shared is not None:
        frame.analysis.share(frame.shared, name, value)


@way("DELETE_NAME")
def _delete_name(frame: Frame, state: State, argument: int) -> None:
    state.names.pop(frame.code.co_names[argument], None)


@way("STORE_GLOBAL")
def _store_global(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    if frame.shared is not None:
        frame.analysis.share(frame.shared, frame.code.co_names[argument], value)
    else:
        frame.analysis.store(OUTER, value)


@way("LOAD_BUILD_CLASS", "LOAD_ASSERTION_ERROR", "GET_LEN")
def _outer(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(OUTER)


@way("IMPORT_NAME")
def _import(frame: Frame, state: State, argument: int) -> None:
    origin = state.pop(2)[1]
    name = frame.code.co_names[argument]
    has_list = any(one.value is not None for one in origin)
    found = sys.modules.get(name if has_list else name.partition(".")[0])
    state.stack.append(OUTER if found is None else frame.heap.known(found))


@way("IMPORT_FROM")
def _import_from(frame: Frame, state: State, argument: int) -> None:
    name = frame.code.co_names[argument]
    state.stack.append(attribute(frame, state.stack[-1], name))


# Making


@way("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_MAP", "BUILD_CONST_KEY_MAP")
@way("BUILD_STRING", "BUILD_SLICE")
def _build(frame: Frame, state: State, argument: int) -> None:
    name = decoded(frame.code)[0][frame.offset][0]
    count = {"BUILD_MAP": 2 * argument, "BUILD_CONST_KEY_MAP": argument + 1}.get(name, argument)
    held = frozenset().union(*state.pop(count))
    if name == "BUILD_STRING":
        state.stack.append(ATOM)
    elif name == "BUILD_SLICE":
        state.stack.append(frozenset({frame.heap.interned("atom", slice, slice, None)}))
    else:
        kind = {"BUILD_TUPLE": tuple, "BUILD_LIST": list, "BUILD_SET": set}.get(name, dict)
        state.stack.append(frame.fresh(kind, held))


@way("LIST_APPEND", "SET_ADD")
def _append(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    frame.analysis.store(state.stack[-argument], value)


@way("MAP_ADD")
def _map_add(frame: Frame, state: State, argument: int) -> None:
    key, value = state.pop(2)
    frame.analysis.store(state.stack[-argument], key | value)


@way("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE")
def _extend(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    frame.analysis.store(state.stack[-argument], iterated(frame, value))


@way("FORMAT_VALUE")
def _format(frame: Frame, state: State, argument: int) -> None:
    if argument & 4:
        state.stack.pop()
    use(frame, state.stack.pop())
    state.stack.append(ATOM)


@way("FORMAT_SIMPLE", "CONVERT_VALUE")
def _format_simple(frame: Frame, state: State, argument: int) -> None:
    use(frame, state.stack.pop())
    state.stack.append(ATOM)


@way("FORMAT_WITH_SPEC")
def _format_spec(frame: Frame, state: State, argument: int) -> None:
    state.stack.pop()
    _format_simple(frame, state, argument)
