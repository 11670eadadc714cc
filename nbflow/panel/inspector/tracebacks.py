"""What is told of an exception: type and message, where in the user's code it came from, notes, causes, the traceback.

Calls users' code (`__str__`), so it is itself called by `nbflow.panel.inspector.safe_eval` only. Keeps no frame.
"""

from __future__ import annotations

import linecache
import traceback
from typing import TYPE_CHECKING

from nbflow.core.ownership import is_ours
from nbflow.panel.inspector.source_code import place_of
from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

    from nbflow.panel.part import Json

TEXT_LIMIT = 30_000
MESSAGE_LIMIT = 4_000
_LINE_LIMIT = 300
_OWN_FRAMES = 20  # so many of the user's frames are shown of each error
_OTHER_FRAMES = 30
_CHAIN = 6  # so many errors: causes, and those of a group
_NOTES = 10


def told(error: BaseException) -> Json:
    """Return `chain`, the error and what it came from, and `text`, the traceback as Python writes it."""
    return {"chain": [_link(one, relation) for one, relation in _chain(error)], "text": text_of(error)}


def text_of(error: BaseException) -> str:
    """Return the traceback, from the user's first frame on, its middle cut out if it is long."""
    trace = _from_the_users(error.__traceback__)
    try:
        made = traceback.TracebackException(type(error), error, trace, compact=True, limit=-60)
        whole = "".join(made.format())
    except Exception as problem:  # noqa: BLE001 - the user's exception may break anything
        whole = f"its traceback can not be shown: {type(problem).__name__}"
    if len(whole) <= TEXT_LIMIT:
        return plain(whole, TEXT_LIMIT)
    head, tail = TEXT_LIMIT // 3, TEXT_LIMIT - TEXT_LIMIT // 3
    cut = f"\n… {len(whole) - head - tail:,} characters cut here …\n"
    return f"{plain(whole[:head], head)}{cut}{plain(whole[-tail:], tail)}"


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    seen: set[int] = set()
    waiting: list[tuple[BaseException, str]] = [(error, "")]
    while waiting and len(seen) < _CHAIN:
        one, relation = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one, relation
        if issubclass(type(one), BaseExceptionGroup):
            group = one.exceptions  # type: ignore[attr-defined]
            waiting += [(part, f"{n} of {len(group)} in the group") for n, part in enumerate(group, 1)]
        if one.__cause__ is not None:
            waiting.append((one.__cause__, "caused by"))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append((one.__context__, "while this was being handled"))


def _link(error: BaseException, relation: str) -> Json:
    # As tracebacks do: the user's frames are what he can do something about, so they come first, newest first.
    frames = list(traceback.walk_tb(_without_the_call(error.__traceback__)))
    own = [frame for frame in frames if _is_users(frame[0])]
    other = [frame for frame in frames if not _is_users(frame[0])]
    if not own and frames:
        own, other = frames[-1:], frames[:-1]
    own.reverse()
    other.reverse()
    return {
        "relation": relation,
        "type": _type_of(error),
        "message": _message(error),
        "notes": _notes(error),
        "frames": [_frame(*frame) for frame in own[:_OWN_FRAMES]],
        "left": max(0, len(own) - _OWN_FRAMES),
        "others": [_frame(*frame) for frame in other[:_OTHER_FRAMES]],
        "others_left": max(0, len(other) - _OTHER_FRAMES),
    }


def _is_users(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__")
    return is_ours(name) and not frame.f_code.co_filename.startswith("<frozen")


def _frame(frame: FrameType, line: int) -> Json:
    code = frame.f_code
    is_whole = code.co_qualname.rpartition(".")[2] == code.co_name  # not in a frame that came from a worker
    text = linecache.getline(code.co_filename, line).strip()
    return {
        **place_of(code.co_filename, line),
        "name": plain(code.co_qualname if is_whole else code.co_name, 200),
        "code": plain(text, _LINE_LIMIT),
    }


def _without_the_call(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without nbflow's own frames at its beginning, which called the task."""
    first = trace
    while first is not None and str(first.tb_frame.f_globals.get("__name__")).startswith("nbflow.engine."):
        first = first.tb_next
    return trace if first is None else first


def _from_the_users(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while first is not None and not _is_users(first.tb_frame):
        first = first.tb_next
    return trace if first is None else first


def _type_of(error: BaseException) -> str:
    cls = type(error)
    name = plain(type.__dict__["__qualname__"].__get__(cls), 200)
    module = type.__dict__["__module__"].__get__(cls)
    if type(module) is not str or module in ("builtins", "__main__"):
        return name
    return f"{plain(module, 200)}.{name}"


def _message(error: BaseException) -> str:
    try:
        return plain(str(error), MESSAGE_LIMIT)
    except Exception as problem:  # noqa: BLE001 - users' classes
        return f"(its message can not be shown: __str__ raised {type(problem).__name__})"


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list):
        return []
    return [plain(note, 1_000) for note in notes[:_NOTES] if isinstance(note, str)]
