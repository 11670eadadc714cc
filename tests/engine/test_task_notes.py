"""What is said of a task beside its state: whether its result is stale."""

from __future__ import annotations

from nbflow import Flow, resource_manager, task
from nbflow.engine.task_notes import stale_tasks


def whys(flow):
    return {one.name: why for one, why in stale_tasks(flow).items()}


def flow_with(*, fails=False):
    @resource_manager
    class Shop:
        def setup(self):
            return "shop"

        def cleanup(self, place):
            pass

    def check(parts):
        if fails:
            raise ValueError("no")

    with Flow("work") as flow:
        with Shop() as place:
            parts = task(lambda place: [1], name="load")(place)
            task(check, name="check")(parts)
        task(lambda parts: 1, name="total")(parts)
    return flow


def test_a_failure_makes_no_neighbour_in_its_block_stale():
    flow = flow_with(fails=True)
    flow.run()

    assert whys(flow) == {}


def test_what_a_changed_task_reaches_is_stale():
    flow = flow_with()
    flow.run()
    (load,) = flow.get_tasks(name="load")
    load.run = lambda place: [2]

    found = whys(flow)

    assert found["load"] == "its code has changed"
    assert {"check", "total"} <= found.keys()
