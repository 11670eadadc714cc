"""Reads what stands on a magic's line. Bad input raises `UsageError`, so that "Run all" stops there."""

from __future__ import annotations

import ast
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.magic_arguments import MagicArgumentParser


def parse(parser: MagicArgumentParser, line: str, magic: str) -> Any:
    """Parse `line` as a shell would split it.

    Raises:
        UsageError: If it does not fit; the message names the magic.
    """
    try:
        return parser.parse_args(shlex.split(line))
    except ValueError as error:  # an unclosed quote
        raise UsageError(f"{magic}: cannot read {line!r}: {str(error).lower()}") from None
    except UsageError as error:
        raise UsageError(f"{magic}: {error}; see {magic}?") from None


def parameters(pairs: Iterable[str], magic: str) -> dict[str, Any]:
    """Turn `K=V` pairs into a dict; a value that is no Python literal is a string, and never evaluated.

    Raises:
        UsageError: If a pair has no `=`, or its name is no name, or it comes twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{magic}: {pair!r} is no parameter; write -p name=value")
        if name in values:
            raise UsageError(f"{magic}: parameter {name!r} is given twice; keep one of them")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # TypeError: `{{1}}`
            values[name] = text
    return values
