"""Cells that became tasks give what they gave as cells, in whatever order their flow lets them run."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.utils.capture import capture_output

import nbflow
from nbflow.notebook.export.exported_module import export

NAMES = ["a", "b", "c", "d"]
name = st.sampled_from(NAMES)
number = st.integers(0, 3)


@st.composite
def statements(draw, depth=0):
    """One statement over a few names that all hold lists of numbers."""
    kinds = ["bind", "copy", "append", "sum", "comprehension", "grow", "item", "function", "walrus"]
    if depth < 2:
        kinds += ["if", "for", "try", "else", "with"]
    x, y, z, n = draw(name), draw(name), draw(name), draw(number)
    match draw(st.sampled_from(kinds)):
        case "bind":
            return f"{x} = [{n}]"
        case "copy":
            return f"{x} = {y} + [{n}]"
        case "append":
            return f"{x}.append({n})"
        case "sum":
            return f"{x} = [sum({y}), len({z})]"
        case "comprehension":
            return f"{x} = [{y} for {y} in {z} if {y} != {n}]"
        case "grow":
            return f"{x} += [{n}]"
        case "item":
            return f"{x}[:1] = [{n}]"
        case "function":
            return f"def f(v):\n    return v + {y}\n{x} = f([{n}])"
        case "walrus":
            return f"len({x} := [{n}])"
        case "if":
            return f"if len({y}) > {n}:\n{inner(draw(cells(depth + 1)))}"
        case "else":
            return f"if {y}:\n{inner(draw(cells(depth + 1)))}\nelse:\n{inner(draw(cells(depth + 1)))}"
        case "for":
            return f"for _ in range(len({y}) % 3):\n{inner(draw(cells(depth + 1)))}"
        case "with":
            return f"with suppress(ZeroDivisionError):\n{inner(draw(cells(depth + 1)))}\n    {x} = [1 // len({y})]"
        case _:
            return f"try:\n{inner(draw(cells(depth + 1)))}\n    1 // {n}\nexcept ZeroDivisionError:\n    {x} = [{n}]"


@st.composite
def cells(draw, depth=0):
    """The source of a cell, or of a branch of one."""
    return "\n".join(draw(st.lists(statements(depth), min_size=1, max_size=3)))


def inner(source):
    return "\n".join(f"    {line}" for line in source.splitlines())


@pytest.fixture
def shell_once(shell):
    """The shell: its names are cleared by `as_tasks`, for each example again."""
    with capture_output():
        yield shell
    nbflow.flows.clear()


one_shell = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
FIRST = "\n".join(f"{n} = [{i}]" for i, n in enumerate(NAMES))
notebooks = st.lists(cells(), min_size=1, max_size=6).map(lambda sources: [FIRST, *sources])


def as_a_notebook(sources):
    names = {}
    exec("from contextlib import suppress", names)
    for source in sources:
        exec(source, names)
    return {n: names[n] for n in NAMES}


def as_tasks(shell, sources):
    nbflow.flows.clear()
    shell.reset(new_session=True)
    shell.run_cell("%load_ext nbflow\nfrom contextlib import suppress").raise_error()
    for i, source in enumerate(sources):
        shell.run_cell(f"%%task cell{i}\n{source}", cell_id=f"id-{i}", store_history=True).raise_error()
    return nbflow.flows["notebook"], {n: shell.user_ns[n] for n in NAMES}


def in_any_order(flow, seed):
    """Run the tasks one by one, in an order that the flow allows, chosen by `seed`."""
    choose = random.Random(seed)
    results, waiting = {}, set(flow.tasks)
    while waiting:
        ready = [t for t in flow.sorted_tasks() if t in waiting and not (flow.upstream_tasks(t) & waiting)]
        task = choose.choice(ready)
        inputs = {e.key: results[e.upstream_task] for e in flow.edges_in(task) if e.key}
        results[task] = task.run(**flow.constants.get(task, {}), **inputs)
        waiting.remove(task)
    return results


@one_shell
@given(notebooks, st.integers(0, 1000))
def test_tasks_give_what_the_cells_gave(shell_once, sources, seed):
    expected = as_a_notebook(sources)

    flow, tasks = as_tasks(shell_once, sources)

    run = flow.start().wait()
    assert {n: run.result[task].result for n, task in tasks.items()} == expected
    results = in_any_order(flow, seed)
    assert {n: results[task] for n, task in tasks.items()} == expected


@one_shell
@given(notebooks, st.data())
def test_executing_cells_again_changes_nothing(shell_once, sources, data):
    flow, _ = as_tasks(shell_once, sources)
    before = shape(flow)

    # Fewer than all: all of them in a row are a pass through the notebook, which gives the cells their order.
    for i in data.draw(st.lists(st.integers(0, len(sources) - 1), max_size=min(4, len(sources) - 1))):
        cell = f"%%task cell{i}\n{sources[i]}"
        shell_once.run_cell(cell, cell_id=f"id-{i}", store_history=True).raise_error()

        assert shape(flow) == before


def shape(flow):
    edges = {(flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], e.key) for e in flow.edges}
    return list(flow.slugs.values()), edges


@one_shell
@given(notebooks)
def test_the_exported_module_gives_the_same(shell_once, sources):
    expected = as_a_notebook(sources)
    flow, tasks = as_tasks(shell_once, sources)

    names = {"__name__": "exported"}
    exec(export(flow, shell_once), names)

    assert shape(names["flow"]) == shape(flow)
    result = {names["flow"].slugs[task]: state.result for task, state in names["flow"].run().result.items()}
    assert {n: result[flow.slugs[task]] for n, task in tasks.items()} == expected
