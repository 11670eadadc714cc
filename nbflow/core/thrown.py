"""The errors that a generator manager is told of its block's failure, thrown in at its `yield` (rule 18).

Only where the `yield` stands in a `try` with an `except`: code behind a plain `yield` is a cleanup, and always runs.
"""

from __future__ import annotations

import dis
import inspect
from typing import TYPE_CHECKING, Any

from nbflow.errors import BlockCancelledError, BlockFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from nbflow.core.block_outcome import BlockOutcome

# Between the start of a handler and its question whether the error is of its kind there is only an expression.
_MATCHES = ("CHECK_EXC_MATCH", "CHECK_EG_MATCH")
_STATEMENTS = ("POP_TOP", "POP_EXCEPT", "RERAISE", "NOP", "PUSH_EXC_INFO", "BEFORE_WITH", "WITH_EXCEPT_START")


def awaits_errors(generator: Any) -> bool:
    """Tell whether the `yield` at which a generator stands is inside of a `try` with an `except`.

    So it is if that of a generator is which it delegates to by ``yield from``.
    """
    while generator is not None:
        frame = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
        if frame is None:
            return False
        if _is_caught(frame.f_code, frame.f_lasti):
            return True
        inner = getattr(generator, "gi_yieldfrom", None)
        generator = inner if inspect.isgenerator(inner) else None
    return False


def _is_caught(code: CodeType, offset: int) -> bool:
    """Tell whether an exception at this place of the code meets an `except`, perhaps after a `finally` or a `with`."""
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    instructions = list(dis.get_instructions(code))
    seen: set[int] = set()
    while True:
        handler = next((entry.target for entry in entries if entry.start <= offset < entry.end), None)
        if handler is None or handler in seen:
            return False
        seen.add(handler)
        if _is_except([one.opname for one in instructions if one.offset >= handler]):
            return True
        offset = handler


def _is_except(names: list[str]) -> bool:
    """Tell whether a handler with these instructions is that of an `except`, not of a `finally` or a `with`."""
    if names[0] != "PUSH_EXC_INFO":
        return False
    if names[1] == "POP_TOP":  # it catches everything
        return True
    for name in names[1:]:
        if name in _MATCHES:
            return True
        if name in _STATEMENTS or name.startswith("STORE_"):
            return False
    return False


def error_of(outcome: BlockOutcome, name: str) -> BaseException | None:
    """Return what is thrown into a manager: the error of the block's tasks, several as a group, the cancel, or None."""
    if outcome.is_successful:
        return None
    errors = list(dict.fromkeys(outcome.errors)) or ([] if outcome.error is None else [outcome.error])
    if len(errors) == 1:
        return errors[0]
    if errors:
        return BaseExceptionGroup(f"tasks of {name!r} failed", errors)
    if outcome.failed:
        return BlockFailedError(name, tuple(task.name for task in outcome.failed))
    return BlockCancelledError(name)


def is_same(raised: BaseException, thrown: BaseException) -> bool:
    """Tell whether a manager has only passed on what was thrown in, whole or in part."""
    if raised is thrown:
        return True
    if isinstance(thrown, (StopIteration, StopAsyncIteration)) and raised.__cause__ is thrown:
        return True  # Python does not let a generator raise one
    known = {id(error) for error in _leaves(thrown)}
    return all(id(error) in known for error in _leaves(raised))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
