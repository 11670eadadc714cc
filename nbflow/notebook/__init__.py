"""nbflow in IPython: the magics `%%flow`, `%flow` and `%%task`, and what makes a cell's tasks replaceable.

`%load_ext nbflow` comes here. The magics are imported when they are registered, so that the rules for cells can be
used without a shell; widgets come with the first panel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics and their completion, and say what dead kernels left; `%load_ext nbflow` calls it."""
    from nbflow.core.expression import Expression
    from nbflow.engine.attempt import AFTER_TASK
    from nbflow.engine.execution import Interrupted
    from nbflow.engine.run_control import PostMortem
    from nbflow.notebook.cells.hints import value_hint
    from nbflow.notebook.cells.reach import flows_in
    from nbflow.notebook.magics.completion import complete_flow
    from nbflow.notebook.magics.debug_commands import post_mortem
    from nbflow.notebook.magics.flow_magic import FlowMagics
    from nbflow.notebook.magics.resource_commands import show_left_behind
    from nbflow.notebook.magics.task_magic import TaskMagics
    from nbflow.notebook.shell.cell_display import DisplayFollower
    from nbflow.notebook.shell.figures import Figures
    from nbflow.notebook.shell.interrupt_line import say_what_is_left
    from nbflow.notebook.shell.numbering import CellNumbers
    from nbflow.notebook.shell.page_requests import page_requests_of
    from nbflow.notebook.shutdown import watch_shutdown
    from nbflow.notebook.taskcell.cell_magics import below_task
    from nbflow.notebook.tracking.autotrack import CellWatch
    from nbflow.notebook.tracking.code_watch import CodeWatch
    from nbflow.registry import flows

    shell.input_transformers_cleanup.append(below_task)
    task_magics = TaskMagics(shell)
    now = task_magics.now
    for follower in (CellNumbers(shell), now, CodeWatch(shell), CellWatch(shell, now)):
        shell.events.register("pre_run_cell", follower.begin)
        shell.events.register("post_run_cell", follower.end)
    for magics in (FlowMagics(shell, now), task_magics):
        shell.register_magics(magics)
        shell.events.register("pre_run_cell", magics.remember_cell)
    shell.events.register("post_run_cell", task_magics.passes.note)
    shell.Completer.custom_matchers.append(complete_flow)
    DisplayFollower(shell)
    if (requests := page_requests_of(shell)) is not None:
        requests.begin()
        shell._nbflow_page_requests = requests  # type: ignore[attr-defined]
    figures = Figures(shell)
    shell.events.register("pre_run_cell", figures.begin)
    AFTER_TASK.append(figures.flush)
    for flow in flows_in(shell.user_ns):
        flows.setdefault(flow.name, flow)  # made before
    watch_shutdown(shell)
    PostMortem.debugger = staticmethod(post_mortem)
    Interrupted.listener = staticmethod(say_what_is_left)
    Expression._value_hint = staticmethod(value_hint)
    show_left_behind()


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back; `%unload_ext nbflow` calls it. The flows themselves stay."""
    from nbflow.core.context import thread
    from nbflow.core.expression import Expression
    from nbflow.engine.attempt import AFTER_TASK
    from nbflow.engine.execution import Interrupted
    from nbflow.engine.run_control import PostMortem
    from nbflow.notebook.magics.completion import complete_flow
    from nbflow.notebook.shell.cell_display import follower_of
    from nbflow.notebook.shell.figures import Figures
    from nbflow.notebook.shell.numbering import CellNumbers
    from nbflow.notebook.shutdown import unwatch_shutdown
    from nbflow.notebook.taskcell.cell_magics import below_task
    from nbflow.notebook.tracking.autotrack import CONTEXT_KEY, CellWatch
    from nbflow.notebook.tracking.code_watch import CodeWatch
    from nbflow.notebook.tracking.current_cell import CurrentCell

    unwatch_shutdown(shell)
    if (requests := getattr(shell, "_nbflow_page_requests", None)) is not None:
        del shell._nbflow_page_requests  # type: ignore[attr-defined]
        requests.end()
    if (follower := follower_of(shell)) is not None:
        follower.end()
    for flush in [one for one in AFTER_TASK if isinstance(getattr(one, "__self__", None), Figures)]:
        AFTER_TASK.remove(flush)
        flush.__self__.end()  # type: ignore[attr-defined]
    if below_task in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(below_task)
    PostMortem.debugger = None
    Interrupted.listener = None
    Expression._value_hint = None
    followers = (CurrentCell, CellNumbers, CodeWatch, CellWatch, Figures)
    for event in ("pre_run_cell", "post_run_cell"):
        for callback in list(shell.events.callbacks[event]):
            if isinstance(getattr(callback, "__self__", None), followers):
                shell.events.unregister(event, callback)
    thread.data.pop(CONTEXT_KEY, None)
    manager = shell.magics_manager
    for registered in ("FlowMagics", "TaskMagics"):
        magics = manager.registry.pop(registered, None)
        if magics is not None:
            shell.events.unregister("pre_run_cell", magics.remember_cell)
            # Where a magic's class enters each object itself; it would hold the flows of an extension that is reloaded.
            shell.configurables[:] = [one for one in shell.configurables if one is not magics]
        if registered == "TaskMagics" and magics is not None:
            shell.events.unregister("post_run_cell", magics.passes.note)
    for kind, name in (("line", "flow"), ("cell", "flow"), ("cell", "task")):
        manager.magics[kind].pop(name, None)
    if complete_flow in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete_flow)
