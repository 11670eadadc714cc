"""What is shown of a large flow where a part of it has changed: that part, and the rest in counts."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.render.build import draw
from nbflow.render.focus import part_bundle, step_bundle
from nbflow.render.neighbourhood import SMALL, around, keys_of

HOSTILE = "<script>alert(1)</script>' onload='alert(1)"


@task
def work(left=None, right=None):
    return 1


def chain(length, name="chain"):
    with Flow(name) as flow:
        last = None
        for i in range(length):
            last = work(last, task_args={"name": f"step_{i}"})
    return flow


def named(flow, name):
    return next(task for task in flow.tasks if task.name == name)


def names(drawing):
    return [node.name for node in drawing.nodes.values()]


@pytest.fixture
def run():
    runs = []

    def start(flow):
        runs.append(flow.start(paused=True))
        return runs[-1]

    yield start
    for one in runs:
        one.cancel()
        one.wait()


def stepped(run, steps=1):
    for _ in range(steps):
        before = dict(run.states)
        run.step()
    return step_bundle(run, before)


def test_a_part_has_its_neighbours_and_counts_what_is_before_and_behind():
    flow = chain(100)
    whole = draw(flow)

    part = around(whole, keys_of(whole, [named(flow, "step_50")]))

    assert names(part) == ["earlier", "step_49", "step_50", "step_51", "later"]
    assert [len(node.tasks) for node in part.nodes.values()] == [49, 1, 1, 1, 48]
    ends = [(part.nodes[edge.tail].name, part.nodes[edge.head].name) for edge in part.edges]
    assert ends == [("earlier", "step_49"), ("step_49", "step_50"), ("step_50", "step_51"), ("step_51", "later")]


def test_each_task_is_in_a_part_once_and_only_once():
    flow = chain(60)
    with flow:
        work(task_args={"name": "alone"})
    whole = draw(flow)

    part = around(whole, keys_of(whole, [named(flow, "step_3")]))

    assert sorted(task.name for node in part.nodes.values() for task in node.tasks) == sorted(
        task.name for task in flow.tasks
    )
    assert names(part)[-1] == "elsewhere"


def test_a_part_keeps_the_boxes_of_what_it_shows():
    @resource_manager
    class Cluster:
        def setup(self):
            return 1

        def cleanup(self, resource):
            pass

    flow = chain(60)
    with flow, Cluster() as cluster:
        inner = work(cluster, task_args={"name": "inner"})
    whole = draw(flow)

    part = around(whole, keys_of(whole, [inner]))

    assert [cluster.name for cluster in part.clusters.values()] == ["Cluster"]
    assert len(part.clusters) == 1


def test_a_step_says_what_it_ran_how_it_ended_and_what_comes_next(run):
    text = stepped(run(chain(60)), 3)["text/plain"]

    assert "ran step_2: Success\nnext: step_3\n3 success, 57 pending\n" in text
    assert len(text.split("\n")) < 15


def test_a_step_shows_the_place_on_a_map_of_the_whole(run):
    page = stepped(run(chain(60)), 3)["text/html"]

    assert page.count("<svg") == 2
    assert "<title>here: step_2</title>" in page
    assert "<title>next: step_3</title>" in page


def test_a_step_that_failed_says_so_first(run):
    @task
    def fail(value):
        raise ValueError("no data")

    flow = Flow("failing")
    with flow:
        last = fail(None)
        for i in range(60):
            last = work(last, task_args={"name": f"step_{i}"})

    shown = stepped(run(flow))

    assert "ran fail: Failed" in shown["text/plain"]
    assert "ValueError: no data" in shown["text/plain"]
    assert "ValueError: no data" in shown["text/html"]


def test_a_small_flow_is_shown_whole(run):
    flow = chain(SMALL)
    going = run(flow)

    assert stepped(going) == going._repr_mimebundle_()
    assert part_bundle(flow, [named(flow, "step_1")]) == flow._repr_mimebundle_()


def test_a_cell_shows_what_it_added_and_what_that_takes():
    flow = chain(SMALL + 10)
    added = [named(flow, "step_48"), named(flow, "step_49")]

    shown = part_bundle(flow, added)

    assert shown["text/plain"].split("\n")[0] == "chain: 2 added by this cell, 50 tasks in all"
    assert [line.split()[0] for line in shown["text/plain"].split("\n")[1:]] == [
        *("earlier", "step_47", "step_48", "step_49")
    ]
    assert shown["text/html"].count("nbflow-strong'") == 1


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_names_run_nothing(run):
    with Flow(HOSTILE) as flow:
        last = None
        for i in range(60):
            last = work(last, task_args={"name": f"{HOSTILE} {i}"})
    pages = [stepped(run(flow), 2), part_bundle(flow, list(flow.tasks)[3:5])]

    for page in pages:
        found = _Tags()
        found.feed(page["text/html"])
        assert "script" not in found.tags
        assert not [name for name in found.attributes if name.startswith("on")]


def test_where_nothing_can_draw_the_text_still_says_it(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("nbflow.render.executable._pure_executable", lambda: None)

    shown = stepped(run(chain(60)))

    assert "please install Graphviz" in shown["text/html"]
    assert "ran step_0: Success" in shown["text/plain"]


@pytest.mark.exe
def test_a_step_of_a_large_flow_weighs_little(run):
    with Flow("large") as flow:
        above = [work(task_args={"name": f"read_{i}"}) for i in range(10)]
        for layer in range(1, 30):
            above = [work(above[i], above[(i + 1) % 10], task_args={"name": f"w_{layer}_{i}"}) for i in range(10)]

    shown = stepped(run(flow), 15)

    assert sum(len(text.encode()) for text in shown.values()) < 30_000
