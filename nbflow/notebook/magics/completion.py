"""Tab completion on the lines of `%flow`, `%%flow` and `%%task`: subcommands, flows, tasks, resources and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from nbflow.flow.launch import EXECUTORS
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.magics.command_table import COMMANDS
from nbflow.notebook.magics.flow_magic import FlowMagics
from nbflow.notebook.magics.log_table import LEVELS
from nbflow.notebook.magics.magic_arguments import flags_of
from nbflow.notebook.magics.resource_commands import candidates
from nbflow.notebook.magics.stored_resume import WORDS
from nbflow.notebook.magics.task_magic import TaskMagics
from nbflow.notebook.shell.find_run import run_words
from nbflow.registry import flows

if TYPE_CHECKING:
    from IPython.core.completer import SimpleMatcherResult

    from nbflow.flow import Flow
    from nbflow.notebook.magics.magic_command import Command


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
        return flags_of(FlowMagics.cell.parser) if given else names
    if not given:
        return [*COMMANDS]
    command = COMMANDS.get(given[0])
    if command is None:
        return []
    if command.name == "resources":
        return candidates(given[1:])
    if command.name == "help":
        return [*COMMANDS] if len(given) == 1 else []
    if last == "--executor":
        return sorted(EXECUTORS)
    if last in ("-p", "--param"):
        return [f"{p.name}=" for p in flow.parameters()] if flow is not None else []
    if last == "--task":
        return _tasks(flow)
    if (values := _values_of(last, flow)) is not None:
        return values
    found = names if len(given) == 1 else _words_of(command, flow) if last in names else []
    words = [word for word in given[1:] if not word.startswith("-") and word not in names]
    if command.takes_run and len(words) < len(command.words):
        found = [*found, *run_words(flow)]
    return [*found, *(option.flags[0] for option in command.options)]


def _values_of(flag: str, flow: Flow | None) -> list[str] | None:
    """Return what may follow an option about runs; None for any other word."""
    if flag == "--run":
        return run_words(flow)
    if flag in ("--tag", "--untag"):
        runs = [] if flow is None else flow.runs.copy()
        return list(dict.fromkeys(tag for run in runs for tag in run.tags))
    return {"--what": [*WORDS], "--level": [*LEVELS]}.get(flag)


def _words_of(command: Command, flow: Flow | None) -> list[str]:
    """Return what may follow the flow's name."""
    if not command.takes_task:
        return []
    chosen = command.words[0].strip("[]").split("|")
    return [*(one for one in chosen if one != "TASK"), *_tasks(flow)]


def _tasks(flow: Flow | None) -> list[str]:
    return list(flow.slugs.values()) if flow is not None else []


def _of_task(given: list[str], flow: Flow | None) -> list[str]:
    last = given[-1] if given else ""
    if last == "--flow":
        return list(flows)
    if last == "--in":
        return [block.name for block in flow.blocks] if flow is not None else []
    option = next((word for word in reversed(given) if word.startswith("--")), "")
    names = list(cells_of(flow).index.binders) if flow is not None and option == "--needs" else []
    return [*names, *flags_of(TaskMagics.cell.parser)]


def _resources(flow: Flow) -> list[str]:
    """Return the names that lead to resources, and those of the blocks' managers."""
    setups = {block.setup_task for block in flow.blocks}
    index = cells_of(flow).index
    named = [name for name, binders in index.binders.items() if index.value(name, binders[-1]) in setups]
    return [*named, *dict.fromkeys(block.name for block in flow.blocks)]
