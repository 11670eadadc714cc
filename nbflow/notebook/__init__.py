"""nbflow in IPython: the magics `%%flow` and `%flow`, and what makes a cell's tasks replaceable.

`%load_ext nbflow` comes here. The magics are imported when they are registered, so that the rules for cells can be
used without a shell; widgets come with the first panel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_COMPLETED = ("%flow", "%%flow")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics and their completion; `%load_ext nbflow` calls it."""
    from nbflow.notebook.completion import complete_flow
    from nbflow.notebook.magics import FlowMagics

    magics = FlowMagics(shell)
    shell.register_magics(magics)
    shell.events.register("pre_run_cell", magics.remember_cell)
    for start in _COMPLETED:
        shell.set_hook("complete_command", complete_flow, str_key=start)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back; `%unload_ext nbflow` calls it. The flows themselves stay."""
    manager = shell.magics_manager
    magics = manager.registry.pop("FlowMagics", None)
    if magics is not None:
        shell.events.unregister("pre_run_cell", magics.remember_cell)
    for kind in ("line", "cell"):
        manager.magics[kind].pop("flow", None)
    hooks = shell.strdispatchers.get("complete_command")
    for start in _COMPLETED if hooks is not None else ():
        hooks.strs.pop(start, None)  # the dispatcher has no public way to forget
