"""What counts as a task: the same number wherever people read one."""

from __future__ import annotations

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.core.counted_tasks import counted, said_tasks
from nbflow.panel.picture.static_snapshot import Picture


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


def test_values_that_are_given_do_not_count_and_the_tasks_of_blocks_do():
    with Flow("counted") as flow:
        number = Parameter("number", default=3)
        with Room() as room:
            inside = task(lambda x, y: x, name="inside")(room, number)
        task(lambda xs: xs, name="below")([inside, 1, number])
        task(lambda x: x, name="each").map([1, 2, 3])
    names = {one.name for one in counted(flow.tasks)}
    assert names == {"Room", "Room.setup", "Room.cleanup", "inside", "below", "each"}
    assert said_tasks(flow.tasks) == "6 tasks"
    assert set(Picture(flow).rows) == set(counted(flow.tasks))
    assert Picture(flow).snapshot(None)["head"]["total"] == 6


def test_one_task_is_no_tasks():
    with Flow("one") as flow:
        task(lambda: 1, name="only")()
    assert said_tasks(flow.tasks) == "1 task"
