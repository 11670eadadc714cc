"""The cell that is being executed: which one it is, and what it is called."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from nbflow.notebook.cells.cell_change import execution_number
from nbflow.notebook.cells.identity import NO_NAMES, Identities, Names, cell_of, names_in, part_key
from nbflow.notebook.shell.numbering import cell_label
from nbflow.notebook.source.infer import names_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.tracking.execution_order import ExecutionOrder

_MAGIC = re.compile(
    r"\s*(?:%%(?!flow\b|task\b)[^\n]*\n\s*)*%%(?P<magic>flow|task)\b(?P<line>[^\n]*)\n?(?P<body>.*)", re.DOTALL
)
_FLOW = re.compile(r"--flow[= ]\s*(\S+)")


class CurrentCell:
    """Knows the cell that a shell is executing; IPython calls `begin` and `end`, and `passes` know of pauses.

    A cell that executes others, by `%run` or `run_cell_magic`, is the one that counts. What its cells add are parts of
    what it adds.
    """

    def __init__(self, shell: InteractiveShell, passes: ExecutionOrder) -> None:
        self.shell = shell
        self.passes = passes
        self.identities = Identities(self._names)
        self.cell_id: str | None = None
        self.source = ""
        self.key = ""
        self.started = 0
        self.depth = 0
        self._parts = 0
        self._ended_well: dict[str, int] = {}  # when each cell was executed last without an error
        passes.original_of = self._original_of
        passes.forget = self.identities.forget
        passes.position_of = lambda key: self.identities.position_of(cell_of(key))

    def begin(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed."""
        self.depth += 1
        if self.depth > 1:
            return
        self.source = str(info.raw_cell)
        self.cell_id = getattr(info, "cell_id", None) or None
        self.passes.begin()
        self.key = self.identities.key(self.cell_id, self.source, self.passes.streak)
        self.started = execution_number()
        self.passes.begin_cell(self.key, self.started, is_command=not self.is_magic)
        self._parts = 0

    def end(self, result: ExecutionResult | None) -> None:
        """Note that the cell has been executed."""
        self.depth = max(0, self.depth - 1)  # the cell that loads the extension has had no beginning
        if not self.depth and result is not None and result.success:
            self._ended_well[self.key] = self.started

    @property
    def is_magic(self) -> bool:
        """True if the cell is one of `%%flow` or `%%task`."""
        return _MAGIC.match(self.source) is not None

    def names(self) -> Names:
        """Return what the cell binds and reads."""
        return self._names(self.source)[1]

    def has_left(self, contribution: Contribution) -> bool:
        """Tell whether the cell of a contribution has been executed again since, and did not make it again."""
        return any(self._ended_well.get(cell_of(key), 0) > contribution.number for key in contribution.cells)

    def next_part(self) -> tuple[str, str]:
        """Return the key and the label of what the cell is about to add."""
        label = cell_label(self.shell)
        self._parts += 1
        key = part_key(self.key, self._parts)
        return key, label if self._parts == 1 else f"{label}, part {self._parts}"

    def part(self, body: str) -> tuple[str, str]:
        """Return the key and the label of what a cell magic is about to add.

        Its body tells those apart that are executed while no cell is.
        """
        if not self.depth:
            return self.identities.key(None, body, self.passes.streak), cell_label(self.shell)
        return self.next_part()

    def _original_of(self, key: str) -> str | None:
        cell = cell_of(key)
        found = self.identities.original_of(cell)
        return None if found is None else found + key.removeprefix(cell)

    def _names(self, source: str) -> tuple[str, Names]:
        found = _MAGIC.match(source)
        if found is None:
            return "", names_in(self.shell.transform_cell(source).rstrip())
        line = found["line"].strip()
        if found["magic"] == "flow":
            name = next((word for word in line.split() if not word.startswith("-")), "")
            return f"flow {name}", names_in(self.shell.transform_cell(found["body"]).rstrip())
        flow = _FLOW.search(line)
        name = _FLOW.sub("", line).strip()
        kind = f"task {flow[1] if flow else ''}"
        if name and not name.startswith("-"):  # it names the task, which is what the cell binds then
            return f"{kind} by name", Names(bound=frozenset({name.split()[0]}), read=frozenset())
        try:
            names = names_of(ast.parse(self.shell.transform_cell(found["body"])))
        except SyntaxError:
            return kind, NO_NAMES
        return kind, Names(bound=frozenset({*names.bound, *names.maybe, *names.changed}), read=frozenset(names.read))
