"""Dagster's ops as one job in process, with an instance that keeps its records in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.shapes import map_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

IMPORT = "import dagster"
DISTRIBUTION = "dagster"
_ARGUMENTS = ("a", "b", "c")


def build(shape: Shape) -> Any:
    from dagster import (
        DependencyDefinition,
        GraphDefinition,
        In,
        MultiDependencyDefinition,
        NodeInvocation,
        op,
    )

    if shape.mapped:
        return _build_map(shape)
    work = shape.work
    few = [
        op(name=f"take_{count}", ins={name: In() for name in _ARGUMENTS[:count]})(_taking(work, count))
        for count in range(4)
    ]

    @op
    def many(values):
        return work(*values)

    nodes: dict[Any, dict[str, Any]] = {}
    used = set()
    for number, upstream in enumerate(shape.upstream):
        values = [DependencyDefinition(f"t{other}") for other in upstream]
        definition = many if len(values) > 3 else few[len(values)]
        used.add(definition)
        nodes[NodeInvocation(definition.name, alias=f"t{number}")] = (
            {"values": MultiDependencyDefinition(values)}
            if len(values) > 3
            else dict(zip(_ARGUMENTS, values, strict=False))
        )
    ordered = [one for one in (*few, many) if one in used]
    return GraphDefinition("everything", node_defs=ordered, dependencies=nodes).to_job()


def _taking(work: Callable[..., int], count: int) -> Callable[..., int]:
    functions: tuple[Callable[..., int], ...] = (
        lambda: work(),
        lambda a: work(a),
        lambda a, b: work(a, b),
        lambda a, b, c: work(a, b, c),
    )
    return functions[count]


def _build_map(shape: Shape) -> Any:
    from dagster import DynamicOut, DynamicOutput, job, op

    work, count = shape.work, len(shape.upstream) - 2

    @op(out=DynamicOut())
    def source():
        for value in map_values(count):
            yield DynamicOutput(value, mapping_key=str(value))

    @op
    def one(value):
        return work(value)

    @op
    def many(values):
        return work(*values)

    @job
    def everything() -> None:
        many.alias(f"t{count + 1}")(source().map(one).collect())

    return everything


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    from dagster import DagsterInstance

    if threads:
        raise NotImplementedError
    job = build(shape)
    last = [f"t{number}" for number in shape.last]

    def run() -> int:
        with DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
            assert result.success
            return sum(result.output_for_node(name) for name in last)

    return run
