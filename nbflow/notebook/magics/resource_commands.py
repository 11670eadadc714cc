"""`%flow resources`: lists what may be alive, here and of dead kernels, and cleans, adopts or forgets it.

Unlike most other commands it is about no flow of this notebook. All it does is a call of `nbflow.ledger`, which is
loaded by the first use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.display import display

from nbflow.errors import LedgerError
from nbflow.notebook.magics.magic_arguments import Option
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.magics.resource_table import notice, table, what
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.ledger import Row
    from nbflow.notebook.magics.magic_command import Call

DONE = {
    "clean": "is gone",
    "adopt": "belongs to this kernel now, and is reclaimed when it ends",
    "forget": "is off the list; nothing was done to it",
}
USAGE = (
    "%flow resources [--all | clean ID... | clean --all | clean --gone ID... | adopt ID... | adopt --gone ID... "
    "| forget ID...]"
)
_MAGIC = "%flow resources"
_LARGEST_ID = 2**63 - 1

ALL = Option(("--all",), "list those that are closed too; with clean: all that dead kernels left")
GONE = Option(("--gone",), "your word that the container or host of these resources is gone")


@command("resources", "[clean|adopt|forget]", "[ID...]", options=(ALL, GONE), of_flow=False)
def resources(call: Call) -> None:
    """List what may be alive, here and of dead kernels; clean it, adopt it, or take it off the list.

    `clean` cleans up what the ids name, `adopt` lets this kernel own it and reclaim it at its end, `forget` takes it
    off the list and does nothing to it.
    """
    options = call.options
    verb, ids = call.word(), call.words[1:]
    if verb is not None and verb not in DONE:
        raise UsageError(f"{_MAGIC}: no command {verb!r}; it is {USAGE}")
    magic = _MAGIC if verb is None else f"{_MAGIC} {verb}"
    try:
        if options.gone and (options.all or verb not in ("clean", "adopt")):
            raise UsageError(f"{magic}: --gone is your word for single resources: {_MAGIC} clean --gone ID")
        if verb is None:
            _list(is_all=options.all)
        elif options.all:
            _clean_all(verb, ids, magic)
        else:
            more = {"gone": True} if options.gone else {}
            _act(verb, _ids(verb, ids, magic), magic, **more)
    except LedgerError as error:
        raise UsageError(f"{magic}: {_as_magic(error)}") from error


def show_left_behind() -> None:
    """Display a notice if dead kernels have left something, else nothing. Never raises."""
    try:
        from nbflow.ledger import left_behind

        rows = left_behind()
        if rows:
            display(notice(rows), raw=True)
    except Exception:  # noqa: BLE001 - a notice is no reason for the extension not to be loaded
        return


def candidates(given: Sequence[str]) -> list[str]:
    """Return what may follow the words `given` behind `%flow resources`. Never raises."""
    if not given:
        return [*DONE, "--all"]
    verb, *before = given
    if verb not in DONE or "--all" in before:
        return []
    try:
        from nbflow import ledger

        rows = ledger.resources()
    except Exception:  # noqa: BLE001 - Tab is no place to hear of a damaged ledger
        rows = []
    ids = [str(row.id) for row in rows if _takes(verb, row) and str(row.id) not in before]
    return [*ids, "--all"] if verb == "clean" and not before else ids


def _takes(verb: str, row: Row) -> bool:
    is_left = row.owner == "this kernel" and (row.is_kept or row.state in ("failed", "abandoned"))
    if verb == "forget":
        return is_left or row.owner in ("dead kernel", "another container", "another host")
    may_be_left = row.owner in ("dead kernel", "another container") and row.is_reclaimable
    return may_be_left or (verb == "clean" and is_left)


def _list(*, is_all: bool) -> None:
    from nbflow import ledger

    numbers = {run.id: run.number for flow in flows.values() for run in flow.runs.copy()}
    display(table(ledger.resources(all=is_all), numbers), raw=True)


def _clean_all(verb: str, given: Sequence[str], magic: str) -> None:
    from nbflow import ledger

    if verb != "clean":
        raise UsageError(f"{magic}: --all does not go with {verb}; say which ids")
    if given:
        raise UsageError(f"{magic}: --all and {' '.join(given)} exclude each other; keep one")
    dead = [row for row in ledger.resources() if row.owner == "dead kernel"]
    left = {row.id for row in ledger.left_behind()}  # without those that a reaper is about to reclaim
    by_hand = [row for row in dead if not row.is_reclaimable]
    if by_hand:
        names = ", ".join(map(what, by_hand))
        say(
            f"not reclaimable: {names}; see to it by hand, "
            f"then {_MAGIC} forget {' '.join(str(row.id) for row in by_hand)}"
        )
    # Last in, first out: what was set up inside of something else goes first.
    ids = [row.id for row in reversed(dead) if row.is_reclaimable and row.id in left]
    if dead and len(ids) + len(by_hand) < len(dead):
        say("their reaper is at work on the others; look again in a moment")
    if not dead:
        say("dead kernels have left nothing")
    _act("clean", ids, magic)


def _act(verb: str, ids: Sequence[int], magic: str, **more: bool) -> None:
    """Do it to each, whatever becomes of the others."""
    from nbflow import ledger

    done: list[str] = []
    refused: list[LedgerError] = []
    for row_id in ids:
        try:
            done.append(f"{what(getattr(ledger, verb)(row_id, **more))} {DONE[verb]}")
        except LedgerError as error:
            refused.append(error)
    if done:
        say("\n".join(done))
    if refused:
        raise UsageError(f"{magic}: {'; '.join(map(_as_magic, refused))}") from refused[0]


def _ids(verb: str, given: Sequence[str], magic: str) -> list[int]:
    if not given:
        every = ", or --all for all that dead kernels left" if verb == "clean" else ""
        raise UsageError(f"{magic}: which resource? add its id{every}; {_MAGIC} lists them")
    found: dict[int, None] = {}
    for text in given:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
            raise UsageError(f"{magic}: {text!r} is no id of a resource; {_MAGIC} lists them")
        found[int(text)] = None
    return list(found)


def _as_magic(error: LedgerError) -> str:
    """Return the message with its remedies as lines of the magic: the library gives them as calls."""
    text = re.sub(rf"\b({'|'.join(DONE)})\((\d+)\)", rf"{_MAGIC} \1 \2", str(error))
    text = re.sub(rf"\b({'|'.join(DONE)})\((\d+), gone=True\)", rf"{_MAGIC} \1 --gone \2", text)
    return text.replace("nbflow.ledger.resources()", _MAGIC)
