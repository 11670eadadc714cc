"""All commands of `%flow` in one table, and the help that is made from it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.notebook.magics import (
    cell_commands,
    debug_commands,
    history_commands,
    rerun_commands,
    run_commands,
    undo_commands,
)
from nbflow.notebook.magics.magic_command import Command, command, say
from nbflow.notebook.magics.resource_commands import resources
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbflow.notebook.magics.magic_arguments import Option
    from nbflow.notebook.magics.magic_command import Call

HEADING = "%flow COMMAND [NAME] ...    NAME is the flow; it may be left out when there is only one"
FOOTER = "%flow help COMMAND tells more of one; %flow alone lists the flows"


@command("help", "[COMMAND]", of_flow=False)
def help_(call: Call) -> None:
    """Say what the commands of `%flow` do, or how one is used."""
    word = call.word()
    say(help_text() if word is None else help_of(find_command(word)))


COMMANDS: Mapping[str, Command] = {
    one.name: one
    for one in (
        *run_commands.COMMANDS,
        *cell_commands.COMMANDS,
        *debug_commands.COMMANDS,
        *undo_commands.COMMANDS,
        *rerun_commands.COMMANDS,
        *history_commands.COMMANDS,
        cell_commands.export_flow,
        resources,
        help_,
    )
}


def find_command(word: str) -> Command:
    """Return the command of this name.

    Raises:
        UsageError: If there is none; the message names what is meant, if it can be guessed.
    """
    if word in COMMANDS:
        return COMMANDS[word]
    if word in flows:
        remedy = f"to draw the flow of this name, write %flow show {word}"
    elif close := difflib.get_close_matches(word, COMMANDS, n=1):
        remedy = f"do you mean {close[0]!r}? it knows {', '.join(COMMANDS)}"
    else:
        remedy = f"it knows {', '.join(COMMANDS)}"
    raise UsageError(f"%flow: no command {word!r}; {remedy}")


def help_text() -> str:
    """Return one line for each command."""
    return "\n".join([HEADING, "", *_table((one.name, one.summary) for one in COMMANDS.values()), "", FOOTER])


def help_of(one: Command) -> str:
    """Return how a command is used: the line, what it does, its options."""
    lines = [one.usage, "", one.text]
    if one.options:
        lines += ["", *_table((_flags(option), option.help) for option in one.options)]
    return "\n".join(lines)


def usages() -> str:
    """Return the docstring of the magic, which `%flow?` shows."""
    lines = [f"  {one.usage}" for one in COMMANDS.values()]
    return "\n".join(["Show and command the flows of this notebook.", "", *lines, "", FOOTER, ""])


def reference() -> str:
    """Return the page of the documentation about the commands, in Markdown."""
    parts = ["# The commands of `%flow`", ""]
    parts += ["<!-- Made by nbflow/notebook/magics/command_table.py; do not edit. -->", ""]
    parts += ["`NAME` is the flow. It may be left out when there is only one.", ""]
    for one in COMMANDS.values():
        parts += [f"## `%flow {one.name}`", "", "```", one.usage, "```", "", one.text, ""]
        rows = [f"| `{_flags(option)}` | {option.help} |" for option in one.options]
        parts += ["| option | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join(parts)


def _flags(option: Option) -> str:
    return f"{', '.join(option.flags)} {option.metavar}".rstrip()


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    rows = list(rows)
    width = max(len(row[0]) for row in rows)
    return (f"  {first:<{width}}  {second}" for first, second in rows)
