"""`%flow export`: writes a flow as a module, or displays it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import Code, display

from nbflow.notebook.export.exported_module import export
from nbflow.notebook.magics.magic_arguments import Option
from nbflow.notebook.magics.magic_command import command, say

if TYPE_CHECKING:
    from nbflow.notebook.magics.magic_command import Call

OUTPUT = Option(("-o", "--output"), "the file to write; shown below the cell if left out", "FILE")


@command("export", options=(OUTPUT,))
def export_flow(call: Call) -> None:
    """Write the flow as a Python module, to the file after -o or below the cell."""
    shell = get_ipython()
    assert shell is not None
    text = export(call.flow, shell)
    if call.options.output is None:
        display(Code(text, language="python"))
        return
    path = Path(call.options.output)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{call.magic}: cannot write {str(path)!r}: {error.strerror}") from error
    lines = text.count("\n")
    say(f"{call.flow.name} is written to {path} ({lines} lines)")
