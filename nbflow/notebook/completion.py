"""Tab completion on the lines of `%flow` and `%%flow`: subcommands, flows, tasks and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.notebook.commands import COMMANDS
from nbflow.registry import flows

if TYPE_CHECKING:
    from types import SimpleNamespace

_CELL_OPTIONS = ("--in", "--run", "--step", "--no-show", "-p")
_LINE_OPTIONS = ("-p", "--executor", "--task", "--paused")


def complete_flow(shell: object, event: SimpleNamespace) -> list[str]:
    """Return what may stand at the cursor; IPython calls it for lines that start with the magic."""
    line: str = event.line
    symbol: str = event.symbol
    words = line.split()
    if words and not line.endswith((" ", "\t")):
        words.pop()  # the word at the cursor is not there yet
    return [word for word in _candidates(words) if word.startswith(symbol)]


def _candidates(words: list[str]) -> list[str]:
    magic, *given = words or ["%flow"]
    last = given[-1] if given else ""
    names = list(flows)
    flow = next((flows[word] for word in given if word in flows), None)
    if flow is None and len(names) == 1:
        flow = flows[names[0]]
    if magic == "%%flow":
        if last == "--in":
            return [block.name for block in flow.blocks] if flow is not None else []
        return [*_CELL_OPTIONS] if given else names
    if not given:
        return list(COMMANDS)
    if last == "--executor":
        return ["inline", "threads"]
    if last == "-p":
        return [f"{p.name}=" for p in flow.parameters()] if flow is not None else []
    tasks = list(flow.slugs.values()) if flow is not None else []
    if last == "--task":
        return tasks
    if given[0] == "until" and len(given) > 1:
        return [*tasks, *_LINE_OPTIONS]
    return [*(names if len(given) == 1 else []), *_LINE_OPTIONS]
