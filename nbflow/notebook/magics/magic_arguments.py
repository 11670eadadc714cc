"""Reads what stands on a magic's line. Bad input raises `UsageError`, so that "Run all" stops there."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from nbflow.flow.launch import EXECUTORS

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Sequence

    from IPython.core.magic_arguments import MagicArgumentParser


@dataclass(frozen=True)
class Option:
    """An option of a command of `%flow`.

    Attributes:
        flags: How it is written: `-p`, `--param`.
        help: What it is for.
        metavar: What stands behind it, empty for a switch.
        store: The name of the attribute that holds it, by default that of the long flag.
        is_many: It may be given several times.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    store: str | None = None
    is_many: bool = False

    @property
    def usage(self) -> str:
        """The option as help shows it."""
        return " ".join(filter(None, (self.flags[0], self.metavar)))

    def add_to(self, parser: ArgumentParser) -> None:
        """Let a parser know it."""
        more: dict[str, Any] = {"help": self.help}
        if self.store:
            more["dest"] = self.store
        if not self.metavar:
            more["action"] = "store_true"
        else:
            more["metavar"] = self.metavar
        if self.is_many:
            more |= {"action": "append", "default": []}
        parser.add_argument(*self.flags, **more)


PARAMETERS = Option(
    ("-p", "--param"),
    "a parameter of the run: a Python literal, anything else is text; may be given several times",
    "K=V",
    store="parameters",
    is_many=True,
)
_PLACES = " or ".join(", ".join(EXECUTORS).rsplit(", ", 1))
EXECUTOR = Option(("--executor",), f"where the tasks run: {_PLACES}", "EXECUTOR")
PAUSED = Option(("--paused",), "pause before the first task")
HOLD = Option(("--hold",), "pause where a task fails")
NO_RAISE = Option(("--no-raise",), "only draw a run that has failed; the cell ends well")
NAME = Option(("--name",), "what the run is called", "NAME", store="run_name")
TAG = Option(
    ("--tag",), "a tag of the run, to find it by; may be given several times", "TAG", store="tags", is_many=True
)
NOTE = Option(("--note",), "what is to be remembered about the run", "TEXT")
UNTAG = Option(("--untag",), "take a tag away; may be given several times", "TAG", is_many=True)
LABEL = (NAME, TAG, NOTE)
STORE = Option(("--store",), "a folder that keeps the results of this run and of later ones", "DIR")
WHAT = Option(
    ("--what",),
    "where code, inputs or parameters have changed: stale runs what has changed, failed takes results as they are, all",
    "WHAT",
)
DRY = Option(("--dry",), "only show the plan")
RUN = Option(("--run",), "the run, by number or name; otherwise the newest", "RUN")
LEVEL = Option(("--level",), "only what is at least so urgent; a print is info, stderr a warning", "LEVEL")
SEARCH = Option(("--search",), "only lines with this text, in whatever case", "TEXT")
TAIL = Option(("--tail",), "only the last lines", "N")
NOTIFY = Option(
    ("--notify",),
    "a shell command to run when the run is over; it is told in $NBFLOW_FLOW, $NBFLOW_RUN, $NBFLOW_STATE, "
    "$NBFLOW_MESSAGE, $NBFLOW_FAILED and $NBFLOW_SECONDS",
    "COMMAND",
)
TASK = Option(("--task",), "the same as the word behind the flow's name", "TASK")


def split(line: str, magic: str) -> list[str]:
    """Split a line as a shell would, without a comment at its end.

    Raises:
        UsageError: If a quote is not closed.
    """
    for sign in re.finditer(r"(?:^|\s)#", line):
        try:
            return shlex.split(line[: sign.start()])
        except ValueError:  # this one is inside of quotes
            continue
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{magic}: cannot read {line!r}: {str(error).lower()}") from None


def parse(
    parser: MagicArgumentParser, words: Sequence[str], magic: str, *, with_words: bool = False
) -> tuple[Any, list[str]]:
    """Parse the words of a line; returns the options, and the words that are none.

    The parser knows the options, and the words unless called `with_words`: those are returned then, not refused.

    Raises:
        UsageError: If a word does not fit; the message names it and what would.
    """
    try:
        options, others = parser.parse_known_args(list(words))
    except UsageError as error:
        raise UsageError(f"{magic}: {error}; {_see(magic)}") from None
    if "--" in others:  # what follows is no option
        others.remove("--")
    elif unknown := next((one for one in others if _is_option(one)), None):
        raise UsageError(f"{magic}: unrecognized arguments: {unknown}; {_instead(unknown, parser)}")
    if others and not with_words:
        raise UsageError(f"{magic}: unrecognized arguments: {' '.join(others)}; {_see(magic)}")
    return options, others


def flags_of(parser: ArgumentParser) -> list[str]:
    """Return the options of a parser as they are written, the first form where there are two."""
    return [action.option_strings[0] for action in parser._actions if action.option_strings]


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not word[1:].replace(".", "", 1).isdigit()


def _instead(word: str, parser: ArgumentParser) -> str:
    every = [flag for action in parser._actions for flag in action.option_strings]
    if close := difflib.get_close_matches(word.partition("=")[0], every, n=1):
        return f"do you mean {close[0]}?"
    return f"it takes {', '.join(flags_of(parser))}" if every else "it takes none"


def _see(magic: str) -> str:
    word = magic.removeprefix("%flow ")
    return f"see {magic}?" if word == magic else f"see %flow help {word}"


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
