"""One function's bytecode, followed on all its ways with abstract objects instead of values."""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.core.effects.abstract_heap import ATOM, NOTHING, NULL, OUTER, MayChangeError, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from nbflow.core.effects.abstract_calls import Calls

__all__ = ["Frame"]

NAMED = sys.version_info >= (3, 12)
_MOST_STEPS = 20_000
_INPLACE = 13  # the first operator of BINARY_OP that is written with `=`
Step = tuple[str, int, int]  # the operation, its argument, where it jumps to


@functools.lru_cache(maxsize=2_000)
def _decoded(code: CodeType) -> tuple[dict[int, Step], dict[int, int], list[tuple[int, int, int, int, bool]]]:
    """Return the operations by offset, the offset that comes after each, and the ranges of `try`."""
    raw, names = code.co_code, dis.opname
    relative = set(dis.hasjrel)
    steps: dict[int, Step] = {}
    after: dict[int, int] = {}
    position, extended, start = 0, 0, 0
    while position < len(raw):
        operation, argument = raw[position], raw[position + 1] | extended
        name = names[operation]
        if name == "EXTENDED_ARG":
            extended = argument << 8
            position += 2
            continue
        end = position + 2
        while end < len(raw) and raw[end] == 0:  # the caches
            end += 2
        target = -1
        if operation in relative:
            target = end - 2 * argument if "BACKWARD" in name else end + 2 * argument
        steps[start] = (name, argument, target)
        after[start] = end
        position = start = end
        extended = 0
    ranges = []
    if code.co_exceptiontable:
        entries: Any = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        ranges = [(e.start, e.end, e.target, e.depth, e.lasti) for e in entries]
    return steps, after, ranges


class State:
    """What the local names and the stack may be at one place."""

    __slots__ = ("names", "stack")

    def __init__(self, names: dict[Any, Value], stack: list[Value]) -> None:
        self.names = names
        self.stack = stack

    def copy(self) -> State:
        return State(dict(self.names), list(self.stack))

    def join(self, other: State) -> bool:
        """Take in what it may be on another way here; returns whether that is anything new."""
        is_new = False
        for name, value in other.names.items():
            mine = self.names.get(name)
            if mine is None:
                self.names[name] = value
                is_new = True
            elif not value <= mine:
                self.names[name] = mine | value
                is_new = True
        if len(self.stack) != len(other.stack):
            raise MayChangeError
        for index, value in enumerate(other.stack):
            if not value <= self.stack[index]:
                self.stack[index] |= value
                is_new = True
        return is_new


class Frame:
    """One call of a function or one execution of a cell.

    Args:
        calls: Does what the calls in it do.
        code: The code.
        space: The global names.
        names: What the arguments are, by name.
        closure: The cells of the free variables, by name.
        shared: In a cell of a notebook: what the names are that its functions see, else None.
    """

    def __init__(
        self,
        calls: Calls,
        code: CodeType,
        space: Mapping[str, Any],
        names: dict[str, Value],
        closure: Mapping[str, Value] | None = None,
        shared: dict[str, Value] | None = None,
    ) -> None:
        self.calls = calls
        self.heap = calls.heap
        self.code = code
        self.space = space
        self.shared = shared
        own = [
            *code.co_varnames,
            *(n for n in code.co_cellvars if n not in code.co_varnames),
            *code.co_freevars,
        ]
        self.locals = own
        start: dict[Any, Value] = {index: names[name] for index, name in enumerate(own) if name in names}
        for index, name in enumerate(own):
            if closure is not None and name in closure and name in code.co_freevars:
                start[index] = closure[name]
        if "self-names" not in names and not code.co_flags & inspect.CO_OPTIMIZED:
            start = dict(names)
        self.start = start
        self.result: set[Any] = set()
        self.keywords: tuple[str, ...] = ()
        self.offset = 0

    def run(self) -> Value:
        """Follow all ways; returns what may be returned."""
        steps, after, ranges = _decoded(self.code)
        states: dict[int, State] = {0: State(self.start, [])}
        pending = [0]
        handlers = (
            {offset: [r for r in ranges if r[0] <= offset < r[1]] for offset in steps} if ranges else {}
        )
        targets = {step[2] for step in steps.values()} | {r[2] for r in ranges}
        while pending:
            offset = pending.pop()
            state = states[offset].copy()
            while True:
                self.calls.count_step()
                self.offset = offset
                for _, _, target, depth, lasti in handlers.get(offset, ())[-1:]:
                    stack = [*state.stack[:depth], *([ATOM] if lasti else []), self._raised()]
                    self._arrive(states, pending, target, State(state.names, stack))
                name, argument, target = steps[offset]
                way = _WAYS.get(name)
                if way is None:
                    raise MayChangeError
                goes_on = way(self, state, argument)
                if goes_on is not None:  # a jump: what the stack is there, and whether it may also go on
                    there, continues = goes_on
                    if there is not None:
                        self._arrive(states, pending, target, State(state.names, there))
                    if not continues:
                        break
                offset = after[offset]
                if offset in targets:
                    self._arrive(states, pending, offset, state)
                    break
        return frozenset(self.result)

    def _arrive(self, states: dict[int, State], pending: list[int], offset: int, state: State) -> None:
        found = states.get(offset)
        if found is None:
            states[offset] = state.copy()
            pending.append(offset)
        elif found.join(state):
            pending.append(offset)

    def _raised(self) -> Value:
        return self.calls.raised()

    def place(self, tag: str = "") -> tuple[Any, ...]:
        """Return what tells an object that is made here from others."""
        return (self.code, self.offset, tag)

    def fresh(self, kind: type | None, held: Value, tag: str = "") -> Value:
        """Return a new object that holds some."""
        return frozenset({self.heap.new((id(self.code), self.offset, tag), kind, held)})

    def look_up(self, name: str) -> Value:
        """Return what a global name stands for."""
        found: Value = NOTHING
        if self.shared is not None and name in self.shared:
            found = self.calls.shared(self.shared, name)
        try:
            value = self.space[name]
        except KeyError:
            if found:
                return found
            self.calls.depend(self.space, name, None)
            value = vars(builtins).get(name)
            return self.heap.known(value) if name in vars(builtins) else OUTER
        return found | self.calls.depend(self.space, name, value)


_Way = TypeVar("_Way", bound="Callable[..., Any]")
_WAYS: dict[str, Any] = {}


def way(*names: str) -> Callable[[_Way], _Way]:
    """Name the operations that a function follows."""

    def keep(function: _Way) -> _Way:
        for name in names:
            _WAYS[name] = function
        return function

    return keep


def _popped(state: State, count: int) -> list[Value]:
    if not count:
        return []
    found = state.stack[-count:]
    del state.stack[-count:]
    return found


@way(
    "RESUME", "NOP", "COPY_FREE_VARS", "PRECALL", "CACHE", "SETUP_ANNOTATIONS", "ASYNC_GEN_WRAP", "PUSH_FRAME"
)
def _nothing(frame: Frame, state: State, argument: int) -> None:
    """Nothing that matters here."""


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
    state.stack.append(frame.calls.in_cells(state.names.get(argument, NOTHING)))


@way("LOAD_FROM_DICT_OR_DEREF")
def _load_dict_or_deref(frame: Frame, state: State, argument: int) -> None:
    state.stack.pop()
    _load_deref(frame, state, argument)


@way("STORE_DEREF")
def _store_deref(frame: Frame, state: State, argument: int) -> None:
    frame.calls.store(state.names.get(argument, OUTER), state.stack.pop())


@way("DELETE_DEREF", "DELETE_GLOBAL")
def _delete_deref(frame: Frame, state: State, argument: int) -> None:
    """What a cell held it may hold still, as far as this look knows."""


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
        frame.calls.share(frame.shared, name, value)


@way("DELETE_NAME")
def _delete_name(frame: Frame, state: State, argument: int) -> None:
    state.names.pop(frame.code.co_names[argument], None)


@way("STORE_GLOBAL")
def _store_global(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    if frame.shared is not None:
        frame.calls.share(frame.shared, frame.code.co_names[argument], value)
    else:
        frame.calls.store(OUTER, value)


@way("LOAD_BUILD_CLASS", "LOAD_ASSERTION_ERROR", "GET_LEN")
def _outer(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(OUTER)


@way("IMPORT_NAME")
def _import(frame: Frame, state: State, argument: int) -> None:
    origin = _popped(state, 2)[1]
    name = frame.code.co_names[argument]
    has_list = any(one.value is not None for one in origin)
    found = sys.modules.get(name if has_list else name.partition(".")[0])
    state.stack.append(OUTER if found is None else frame.heap.known(found))


@way("IMPORT_FROM")
def _import_from(frame: Frame, state: State, argument: int) -> None:
    name = frame.code.co_names[argument]
    state.stack.append(frame.calls.attribute(frame, state.stack[-1], name))


# Making


@way(
    "BUILD_TUPLE",
    "BUILD_LIST",
    "BUILD_SET",
    "BUILD_MAP",
    "BUILD_CONST_KEY_MAP",
    "BUILD_STRING",
    "BUILD_SLICE",
)
def _build(frame: Frame, state: State, argument: int) -> None:
    name = _decoded(frame.code)[0][frame.offset][0]
    count = {"BUILD_MAP": 2 * argument, "BUILD_CONST_KEY_MAP": argument + 1}.get(name, argument)
    held = frozenset().union(*_popped(state, count))
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
    frame.calls.store(state.stack[-argument], value)


@way("MAP_ADD")
def _map_add(frame: Frame, state: State, argument: int) -> None:
    key, value = _popped(state, 2)
    frame.calls.store(state.stack[-argument], key | value)


@way("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE")
def _extend(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    frame.calls.store(state.stack[-argument], frame.calls.iterated(frame, value))


@way("LIST_TO_TUPLE")
def _same(frame: Frame, state: State, argument: int) -> None:
    """The same objects in another one."""


@way("FORMAT_VALUE")
def _format(frame: Frame, state: State, argument: int) -> None:
    if argument & 4:
        state.stack.pop()
    frame.calls.use(frame, state.stack.pop())
    state.stack.append(ATOM)


@way("FORMAT_SIMPLE", "CONVERT_VALUE")
def _format_simple(frame: Frame, state: State, argument: int) -> None:
    frame.calls.use(frame, state.stack.pop())
    state.stack.append(ATOM)


@way("FORMAT_WITH_SPEC")
def _format_spec(frame: Frame, state: State, argument: int) -> None:
    state.stack.pop()
    _format_simple(frame, state, argument)


@way("MAKE_FUNCTION")
def _make_function(frame: Frame, state: State, argument: int) -> None:
    code = next(iter(state.stack.pop())).value
    closure = state.stack.pop() if argument & 8 else NOTHING
    if argument & 4:
        state.stack.pop()
    kwdefaults = state.stack.pop() if argument & 2 else NOTHING
    defaults = state.stack.pop() if argument & 1 else NOTHING
    state.stack.append(frame.calls.function(frame, code, closure, defaults | kwdefaults))


@way("SET_FUNCTION_ATTRIBUTE")
def _set_function_attribute(frame: Frame, state: State, argument: int) -> None:
    function = state.stack.pop()
    value = state.stack.pop()
    frame.calls.set_function_attribute(function, argument, value)
    state.stack.append(function)


# Reading and changing


@way("LOAD_ATTR")
def _load_attr(frame: Frame, state: State, argument: int) -> None:
    index, is_method = (argument >> 1, argument & 1) if NAMED else (argument, 0)
    found = frame.calls.attribute(frame, state.stack.pop(), frame.code.co_names[index])
    state.stack.append(found)
    if is_method:
        state.stack.append(NULL)


@way("LOAD_METHOD")
def _load_method(frame: Frame, state: State, argument: int) -> None:
    state.stack += [frame.calls.attribute(frame, state.stack.pop(), frame.code.co_names[argument]), NULL]


@way("STORE_ATTR")
def _store_attr(frame: Frame, state: State, argument: int) -> None:
    value, owner = _popped(state, 2)
    frame.calls.store_attribute(frame, owner, frame.code.co_names[argument], value)


@way("DELETE_ATTR")
def _delete_attr(frame: Frame, state: State, argument: int) -> None:
    frame.calls.change(state.stack.pop())


@way("BINARY_SUBSCR")
def _subscript(frame: Frame, state: State, argument: int) -> None:
    owner, key = _popped(state, 2)
    state.stack.append(frame.calls.item(frame, owner, key))


@way("BINARY_SLICE")
def _slice(frame: Frame, state: State, argument: int) -> None:
    owner = _popped(state, 3)[0]
    key = frozenset({frame.heap.interned("atom", slice, slice, None)})
    state.stack.append(frame.calls.item(frame, owner, key))


@way("STORE_SUBSCR")
def _store_subscript(frame: Frame, state: State, argument: int) -> None:
    value, owner, key = _popped(state, 3)
    # A slice takes the elements of what is assigned.
    frame.calls.store_item(frame, owner, key | value | frame.heap.contents(value))


@way("STORE_SLICE")
def _store_slice(frame: Frame, state: State, argument: int) -> None:
    value, owner, _, _ = _popped(state, 4)
    frame.calls.store_item(frame, owner, value | frame.heap.contents(value))


@way("DELETE_SUBSCR")
def _delete_subscript(frame: Frame, state: State, argument: int) -> None:
    owner, _ = _popped(state, 2)
    frame.calls.store_item(frame, owner, NOTHING)


@way("BINARY_OP")
def _binary(frame: Frame, state: State, argument: int) -> None:
    one, other = _popped(state, 2)
    if argument >= _INPLACE:
        state.stack.append(frame.calls.operate_in_place(frame, one, other))
    else:
        state.stack.append(frame.calls.operate(frame, one | other))


@way("COMPARE_OP")
def _compare(frame: Frame, state: State, argument: int) -> None:
    one, other = _popped(state, 2)
    state.stack.append(frame.calls.operate(frame, one | other, is_comparison=True))


@way("CONTAINS_OP")
def _contains(frame: Frame, state: State, argument: int) -> None:
    one, other = _popped(state, 2)
    frame.calls.operate(frame, one, is_comparison=True)
    frame.calls.iterated(frame, other)
    frame.calls.use(frame, other)
    state.stack.append(ATOM)


@way("IS_OP")
def _is(frame: Frame, state: State, argument: int) -> None:
    _popped(state, 2)
    state.stack.append(ATOM)


@way("CHECK_EXC_MATCH")
def _exception_match(frame: Frame, state: State, argument: int) -> None:
    state.stack[-1] = ATOM


@way("UNARY_NEGATIVE", "UNARY_INVERT", "UNARY_POSITIVE")
def _unary(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(frame.calls.operate(frame, state.stack.pop()))


@way("UNARY_NOT", "TO_BOOL")
def _not(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    frame.calls.tested(frame, value)
    # What `TO_BOOL` leaves is only popped by the jump after it.
    state.stack.append(ATOM)


@way("UNPACK_SEQUENCE")
def _unpack(frame: Frame, state: State, argument: int) -> None:
    state.stack += [frame.calls.iterated(frame, state.stack.pop())] * argument


@way("UNPACK_EX")
def _unpack_ex(frame: Frame, state: State, argument: int) -> None:
    found = frame.calls.iterated(frame, state.stack.pop())
    rest = frame.fresh(list, found)
    state.stack += [*[found] * (argument >> 8), rest, *[found] * (argument & 255)]


@way("MATCH_SEQUENCE", "MATCH_MAPPING")
def _match(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(ATOM)


@way("MATCH_KEYS")
def _match_keys(frame: Frame, state: State, argument: int) -> None:
    frame.calls.known_only(state.stack[-2])
    state.stack.append(frame.fresh(tuple, frame.heap.contents(state.stack[-2]), "keys"))


@way("MATCH_CLASS")
def _match_class(frame: Frame, state: State, argument: int) -> None:
    subject = _popped(state, 3)[0]
    state.stack.append(frame.calls.matched(frame, subject))


# Jumps


@way("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
def _jump(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    return state.stack, False


@way(
    *(f"POP_JUMP_{way}IF_{when}" for way in ("", "FORWARD_", "BACKWARD_") for when in ("TRUE", "FALSE")),
)
def _jump_if(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    frame.calls.tested(frame, state.stack.pop())
    return state.stack, True


@way(*(f"POP_JUMP_{way}IF_{when}" for way in ("", "FORWARD_", "BACKWARD_") for when in ("NONE", "NOT_NONE")))
def _jump_if_none(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    state.stack.pop()
    return state.stack, True


@way("JUMP_IF_FALSE_OR_POP", "JUMP_IF_TRUE_OR_POP")
def _jump_or_pop(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    there = list(state.stack)
    frame.calls.tested(frame, state.stack.pop())
    return there, True


@way("GET_ITER", "GET_YIELD_FROM_ITER")
def _iter(frame: Frame, state: State, argument: int) -> None:
    value = state.stack.pop()
    state.stack.append(frame.calls.iterator(frame, frame.calls.iterated(frame, value), value))


@way("FOR_ITER")
def _for(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    there = [*state.stack, ATOM] if NAMED else state.stack[:-1]
    state.stack.append(frame.calls.iterated(frame, state.stack[-1]))
    return there, True


@way("END_FOR")
def _end_for(frame: Frame, state: State, argument: int) -> None:
    _popped(state, 1 if sys.version_info >= (3, 13) else 2)


@way("RETURN_VALUE", "INSTRUMENTED_RETURN_VALUE")
def _return(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    frame.result |= state.stack.pop()
    return None, False


@way("RETURN_CONST")
def _return_const(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    frame.result |= ATOM
    return None, False


@way("RETURN_GENERATOR")
def _return_generator(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(ATOM)


@way("YIELD_VALUE")
def _yield(frame: Frame, state: State, argument: int) -> None:
    frame.result |= state.stack.pop()
    state.stack.append(OUTER)


@way("GET_AWAITABLE")
def _awaitable(frame: Frame, state: State, argument: int) -> None:
    """What is awaited is what the call has given."""


@way("SEND")
def _send(frame: Frame, state: State, argument: int) -> tuple[list[Value], bool]:
    state.stack.pop()
    found = frame.calls.iterated(frame, state.stack[-1]) | state.stack[-1]
    there = [*state.stack, found] if NAMED else [*state.stack[:-1], found]
    state.stack.append(found)
    return there, True


@way("END_SEND")
def _end_send(frame: Frame, state: State, argument: int) -> None:
    del state.stack[-2]


@way("RERAISE", "RAISE_VARARGS")
def _raise(frame: Frame, state: State, argument: int) -> tuple[None, bool]:
    if _decoded(frame.code)[0][frame.offset][0] == "RAISE_VARARGS":
        for value in _popped(state, argument):
            frame.calls.add_raised(value)
    return None, False


@way("PUSH_EXC_INFO")
def _push_exception(frame: Frame, state: State, argument: int) -> None:
    state.stack.insert(-1, ATOM)


@way("WITH_EXCEPT_START")
def _with_except(frame: Frame, state: State, argument: int) -> None:
    state.stack.append(ATOM)


@way("BEFORE_WITH", "BEFORE_ASYNC_WITH")
def _before_with(frame: Frame, state: State, argument: int) -> None:
    manager = state.stack.pop()
    state.stack += [OUTER, frame.calls.entered(frame, manager)]


@way("CALL_INTRINSIC_1")
def _intrinsic(frame: Frame, state: State, argument: int) -> None:
    if argument not in (3, 4, 5, 6):  # StopIteration, an async generator's value, unary +, a list to a tuple
        raise MayChangeError


# Calls


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
    given = _popped(state, count)
    one, other = _popped(state, 2)
    if one == NULL:
        one = other
    elif other != NULL:
        given.insert(0, other)
    keywords = dict(zip(names, given[len(given) - len(names) :], strict=True))
    positional = given[: len(given) - len(names)]
    state.stack.append(frame.calls.call(frame, one, positional, keywords))


@way("CALL_FUNCTION_EX")
def _call_unpacked(frame: Frame, state: State, argument: int) -> None:
    keywords = state.stack.pop() if argument & 1 else NOTHING
    given = state.stack.pop()
    one, other = _popped(state, 2)
    function = other if one == NULL else one
    rest = frame.calls.iterated(frame, given) | frame.calls.iterated(frame, keywords)
    state.stack.append(frame.calls.call(frame, function, [], {}, rest))
