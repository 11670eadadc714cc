"""Finds what a magic's line names: a flow, a run, a task, a block. What is not found is a `UsageError`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.core.block import Block
from nbflow.core.context import thread
from nbflow.core.task import Task
from nbflow.flow import newest
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.graph import Graph
    from nbflow.engine.run import Run
    from nbflow.flow import Flow


def find_flow(name: str | None, magic: str) -> Flow:
    """Return the flow of this name; without a name, the only one there is."""
    flow = None if name is None else _named(name)
    if flow is not None:
        return flow
    if name is not None:
        raise UsageError(f"{magic}: there is no flow {name!r}; {_instead(name, flows)}make it with %%flow {name}")
    if not len(flows):
        raise UsageError(f"{magic}: there is no flow yet; make one with %%flow NAME")
    if len(flows) > 1:
        raise UsageError(f"{magic}: which flow? there are {', '.join(map(repr, flows))}; add its name")
    return flows[next(iter(flows))]


def _named(name: str) -> Flow | None:
    """Return the flow of this name: one that this cell has made, one that the notebook knows, or any that lives."""
    cell = thread.data.get("cell")  # of a notebook that is watched
    made = None if cell is None else cell.made(name)
    flow = made if made is not None else flows.get(name)
    if flow is None and (flow := newest.get(name)) is not None:
        flows[name] = flow
    if cell is not None and flow is not None:
        cell.running(flow)
    return flow


def forget_flow(name: str) -> None:
    """Have no flow of this name any more, as its first cell has failed."""
    flow = flows.pop(name, None)
    if newest.get(name) is flow:
        newest.pop(name, None)


def newest_run(flow: Flow) -> Run | None:
    """Return the flow's newest run."""
    return flow.runs[-1] if flow.runs else None


def unfinished_run(flow: Flow) -> Run | None:
    """Return the newest run if it is not over."""
    run = newest_run(flow)
    return None if run is None or run.is_finished else run


def going_run(flow: Flow, magic: str) -> Run:
    """Return the newest run, which must not be over."""
    run = unfinished_run(flow)
    if run is None:
        what = "has not run yet" if not flow.runs else f"has finished: run {flow.runs[-1].number} is over"
        raise UsageError(
            f"{magic}: flow {flow.name!r} {what}; %flow start {flow.name} begins a run, "
            f"%flow step {flow.name} one that pauses after each task"
        )
    return run


def find_task(flow: str, slugs: Mapping[Task, str], text: str, namespace: Mapping[str, object], magic: str) -> Task:
    """Return the task that `text` names: by slug, by name if only one has it, or by the variable that holds it."""
    by_slug = {slug: task for task, slug in slugs.items()}
    if text in by_slug:
        return by_slug[text]
    held = namespace.get(text)
    if isinstance(held, Task) and held in slugs:
        return held
    named = [task for task in by_slug.values() if task.name == text]
    if len(named) == 1:
        return named[0]
    if named:
        which = ", ".join(repr(slugs[task]) for task in named)
        raise UsageError(f"{magic}: flow {flow!r} has several tasks {text!r}; say which: {which}")
    raise UsageError(f"{magic}: flow {flow!r} has no task {text!r}; {_instead(text, by_slug)}see %flow show")


def find_block(graph: Graph, text: str, namespace: Mapping[str, object], magic: str) -> Block:
    """Return the block that `text` names: by the variable that holds it or its resource, else by its name."""
    held = namespace.get(text)
    block = held if isinstance(held, Block) else getattr(held, "block", None) if isinstance(held, Task) else None
    if isinstance(block, Block) and any(block is known for known in graph.blocks):
        return block
    named = [known for known in graph.blocks if known.name == text]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(
            f"{magic}: flow {graph.name!r} has {len(named)} blocks {text!r}; "
            "name the variable after `as` in its `with` instead"
        )
    names = [block.name for block in graph.blocks]
    known = ", ".join(map(repr, names))
    remedy = f"{_instead(text, names)}it has {known}" if known else "open one first: with SomeManager() as resource"
    raise UsageError(f"{magic}: flow {graph.name!r} has no block {text!r}; {remedy}")


def _instead(text: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(text, list(known), n=1)
    return f"do you mean {close[0]!r}? or " if close else ""
