"""nbflow as users get it: states, timings, events and capture are on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.shapes import add, map_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.shapes import Shape
    from nbflow import Flow, Task

IMPORT = "import nbflow"
DISTRIBUTION = "jupyter-nbflow"


def build(shape: Shape) -> tuple[Flow, list[Task]]:
    """The flow, and its tasks by number."""
    from nbflow import Flow, task

    work = shape.work
    zero = task(lambda: work(), name="zero")
    one = task(lambda a: work(a), name="one")
    two = task(lambda a, b: work(a, b), name="two")
    three = task(lambda a, b, c: work(a, b, c), name="three")
    many = task(lambda values: work(*values), name="many")
    makers = (zero, one, two, three)
    made: list[Any] = []
    with Flow(shape.name) as flow:
        if shape.mapped:
            source = task(map_values, name="source")(len(shape.upstream) - 2)
            total = many(one.map(source))
            return flow, [source, *[None] * (len(shape.upstream) - 2), total]
        if shape.blocks:
            return flow, _build_blocks(shape, makers)
        for upstream in shape.upstream:
            values = [made[number] for number in upstream]
            made.append(many(values) if len(values) > 3 else makers[len(values)](*values))
    return flow, made


def _build_blocks(shape: Shape, makers: tuple[Task, ...]) -> list[Any]:
    from nbflow import resource_manager

    @resource_manager
    class Opened:
        def setup(self) -> int:
            return add()

        def cleanup(self, resource: int) -> None:
            pass

    @resource_manager
    class Reclaimable(Opened.resource_class):  # type: ignore[name-defined, misc]
        def handle(self, resource: int) -> dict[str, int]:
            return {"number": resource}

        @staticmethod
        def reclaim(handle: dict[str, int]) -> None:
            pass

    manager = Reclaimable if shape.reclaimable else Opened
    made: list[Any] = []
    for opening, closing in shape.blocks:
        with manager() as resource:
            made.append(resource)
            for upstream in shape.upstream[opening + 1 : closing]:
                made.append(makers[len(upstream)](*(made[number] for number in upstream)))
        made.append(None)
    return made


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    from nbflow.executors import InlineExecutor, ThreadExecutor

    flow, made = build(shape)
    last = [made[number] for number in shape.last]
    executor = ThreadExecutor(threads) if threads else InlineExecutor()

    def run() -> int:
        state = flow.run(executor=executor)
        assert state.is_successful(), state
        return sum(state.result[one].result for one in last)

    return run


def first_reclaimable() -> tuple[float, float]:
    """The seconds of the first run of a process with a resource that can be reclaimed, and of the next one."""
    from benchmarks.shapes import reclaimable

    run = prepare(reclaimable(20), 0)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return times[0], times[1]


def cell_again(shape: Shape) -> Callable[[], object]:
    """Execute the middle one of 100 cells again, which replaces its tasks; without IPython, and without drawing."""
    from nbflow import Flow, task
    from nbflow.notebook.cells.flow_cells import cells_of

    many = task(lambda values: shape.work(*values), name="many")
    makers = (
        task(lambda: shape.work(), name="zero"),
        task(lambda a: shape.work(a), name="one"),
        task(lambda a, b: shape.work(a, b), name="two"),
        task(lambda a, b, c: shape.work(a, b, c), name="three"),
    )
    flow, names = Flow(shape.name), {}
    size = max(len(shape.upstream) // 100, 1)
    starts = range(0, len(shape.upstream), size)

    def execute(start: int) -> None:
        with cells_of(flow).executing(f"id {start}", f"cell In [{start}]", names, source=str(start)), flow:
            for number, upstream in enumerate(shape.upstream[start : start + size], start):
                values = [names[f"task_{one}"] for one in upstream]
                made = many(values) if len(values) > 3 else makers[len(values)](*values)
                names[f"task_{number}"] = made

    for start in starts:
        execute(start)
    before = len(flow.tasks), len(flow.edges)

    def again() -> object:
        execute(starts[len(starts) // 2])
        assert (len(flow.tasks), len(flow.edges)) == before
        return flow

    return again


def cell_again_in_shell(shape: Shape, magic: str) -> Callable[[], object]:
    """Execute the middle one of the cells again, each of which makes one task, in an IPython shell."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from nbflow import flows

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.display_pub.publish = lambda *args, **options: None
    name = f"{magic[2:]}_{len(shape.upstream)}"
    head = f"%%flow {name} --no-show\n" if magic == "%%flow" else f"%%task --flow {name}\n"
    call = "add({})" if magic == "%%flow" else "work({})"

    def execute(source: str, cell: str) -> None:
        shell.run_cell(source, cell_id=cell, store_history=True).raise_error()

    execute("%load_ext nbflow\nfrom nbflow import task", "first")
    shell.user_ns["work"] = shape.work
    execute("@task\ndef add(value=0): return work(value)", "second")
    cells = [
        f"{head}{name}_{number} = {call.format(', '.join(f'{name}_{one}' for one in upstream))}"
        for number, upstream in enumerate(shape.upstream)
    ]
    for number, source in enumerate(cells):
        execute(source, f"{name} {number}")
    middle = len(cells) // 2
    before = len(flows[name].tasks), len(flows[name].edges)

    def again() -> object:
        execute(cells[middle], f"{name} {middle}")
        assert (len(flows[name].tasks), len(flows[name].edges)) == before
        return flows[name]

    again()
    return again


def plan(shape: Shape) -> Callable[[], object]:
    """Decide what to run again after the task in the middle has failed."""
    flow, _ = build(shape)
    tasks = [one for one in flow.sorted_tasks() if hasattr(one, "run") and "run" in vars(one)]
    middle = tasks[len(tasks) // 2]
    work = middle.run

    def fail(**values: Any) -> None:
        raise ValueError(values)

    middle.run = fail
    assert flow.run().is_failed()
    middle.run = work

    def decide() -> object:
        found = flow.plan("failed")
        assert middle in found.tasks
        return found

    return decide


def draw(shape: Shape) -> Callable[[], float]:
    """Draw what a cell shows, with nothing folded: the others draw every task as well."""
    from nbflow.render.html import html

    flow, _ = build(shape)

    def run() -> float:
        with _layout_seconds() as seconds:
            page = html(flow, fold=None)
        assert page.count('class="nbflow-node') == shape.count
        return sum(seconds)

    return run


@contextmanager
def _layout_seconds() -> Iterator[list[float]]:
    from nbflow.render import layout

    seconds: list[float] = []
    original = layout.run_engine

    def timed(*args: Any, **kwargs: Any) -> str:
        began = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - began)

    layout.run_engine = timed
    try:
        yield seconds
    finally:
        layout.run_engine = original
