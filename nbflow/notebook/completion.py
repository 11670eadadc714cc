"""Tab completion on the lines of `%flow`, `%%flow` and `%%task`: subcommands, flows, tasks, resources and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from nbflow.notebook.cells import cells_of
from nbflow.notebook.commands import COMMANDS
from nbflow.notebook.mending import TAKE_TASK
from nbflow.notebook.reruns import COMMANDS as COMMANDS_OF_RERUNS
from nbflow.notebook.reruns import WORDS
from nbflow.notebook.resources import candidates
from nbflow.registry import flows

if TYPE_CHECKING:
    from IPython.core.completer import SimpleMatcherResult

    from nbflow.flow import Flow

_CELL_OPTIONS = ("--in", "--run", "--step", "--no-show", "--no-raise", "-p")
_TASK_OPTIONS = ("--flow", "--in", "--needs", "--gives")
_LINE_OPTIONS = (
    "--cells",
    "-p",
    "-o",
    "--executor",
    "--task",
    "--paused",
    "--into",
    "--dry",
    "--hold",
    "--no-raise",
    "--when",
    "--after",
    "--clear",
)


@context_matcher(identifier="nbflow")
def complete_flow(context: CompletionContext) -> SimpleMatcherResult:
    """Return what may stand at the cursor on a line of one of the magics, and nothing on any other line."""
    line = context.line_with_cursor[: context.cursor_position].lstrip()
    magic, _, rest = line.partition(" ")
    found: list[str] = []
    word = ""
    if magic in ("%flow", "%%flow", "%%task") and " " in line:
        *given, word = rest.split(" ")
        found = [one for one in _candidates(magic, [w for w in given if w]) if one.startswith(word)]
    return {
        "completions": [SimpleCompletion(one, type="magic") for one in found],
        "matched_fragment": word,
        "suppress": bool(found),
    }


def _candidates(magic: str, given: list[str]) -> list[str]:
    last = given[-1] if given else ""
    names = list(flows)
    flow = next((flows[word] for word in given if word in flows), None)
    if flow is None and len(names) == 1:
        flow = flows[names[0]]
    if magic == "%%task":
        return _of_task(given, flow)
    if magic == "%%flow":
        if last == "--in":
            return _resources(flow) if flow is not None else []
        return [*_CELL_OPTIONS] if given else names
    if not given:
        return [*COMMANDS, "resources"]
    if given[0] == "resources":
        return candidates(given[1:])
    if last == "--executor":
        return ["inline", "threads"]
    if last == "-p":
        return [f"{p.name}=" for p in flow.parameters()] if flow is not None else []
    tasks = list(flow.slugs.values()) if flow is not None else []
    if given[0] in COMMANDS_OF_RERUNS and last in names:
        return [*WORDS, *tasks]
    if last == "--task" or (given[0] in ("until", "resume", *TAKE_TASK) and last in names):
        return tasks
    return [*(names if len(given) == 1 else []), *_LINE_OPTIONS]


def _of_task(given: list[str], flow: Flow | None) -> list[str]:
    last = given[-1] if given else ""
    if last == "--flow":
        return list(flows)
    if last == "--in":
        return [block.name for block in flow.blocks] if flow is not None else []
    option = next((word for word in reversed(given) if word.startswith("--")), "")
    names = list(cells_of(flow).book.binders) if flow is not None and option == "--needs" else []
    return [*names, *_TASK_OPTIONS]


def _resources(flow: Flow) -> list[str]:
    """Return the names that lead to resources, and those of the blocks' managers."""
    setups = {block.setup_task for block in flow.blocks}
    book = cells_of(flow).book
    named = [name for name, binders in book.binders.items() if book.value(name, binders[-1]) in setups]
    return [*named, *dict.fromkeys(block.name for block in flow.blocks)]
