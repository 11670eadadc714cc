"""What the inspector is told of where a task ran."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from nbflow import Flow, context, resource_manager, task, unmapped
from nbflow.panel.inspector import inspector
from nbflow.panel.inspector.children_table import rows_of
from nbflow.panel.inspector.ran_on import ran_on
from tests.panel.test_inspector import Browser


@pytest.fixture
def browse(make_panel, sent, monkeypatch):
    monkeypatch.setattr(inspector, "INTERVAL_S", 0.02)
    return lambda source, run=None, **options: Browser(make_panel(source, run, **options), sent)


@resource_manager
def desk():
    yield 2


@task
def double(i, by):
    return i * by


@task(max_retries=1, retry_delay=timedelta(0))
def at_last():
    if context["task_run_count"] == 1:
        raise ValueError("once more")


@pytest.fixture
def flow():
    with Flow("desks") as flow, desk() as by:
        double.copy(name="single")(1, by)
        double.map([1, 2, 3], by=unmapped(by))
    return flow


def place(browser, key, index=None):
    return browser.select(key, index).sections["head"]["place"]


def test_a_task_says_which_worker_it_ran_on_and_so_does_each_child(browse, flow):
    flow.run(executor="processes")
    browser = browse(flow, flow.runs[-1])
    run = flow.runs[-1]
    task = flow.get_tasks("single")[0]

    assert place(browser, "single-1") == run._record.place_of(task)
    assert place(browser, "single-1").startswith("worker process ")
    child = flow.get_tasks("double")[0]
    assert place(browser, "double-1", 1) == run._record.place_of(child, 1)


def test_a_map_says_how_many_workers_had_its_children_and_each_of_those_says_its_own(browse, flow):
    flow.run(executor="processes")
    run = flow.runs[-1]
    task = flow.get_tasks("double")[0]
    run._record.places[task] = {0: "worker 7", 1: "worker 8", 2: "worker 7"}
    browser = browse(flow, run)

    assert place(browser, "double-1") == "2 workers"
    rows = rows_of(run, task, "index", is_down=False, is_failed_only=False, page=0)["rows"]
    assert [row[-1] for row in rows] == ["worker 7", "worker 8", "worker 7"]


def test_of_what_the_kernel_did_no_place_is_told(browse, flow):
    flow.run(executor="processes")
    browser = browse(flow, flow.runs[-1])
    assert place(browser, "desk.setup-1") == ""

    flow.run()
    browser.panel.follow_newest()

    assert place(browser, "single-1") == ""
    assert place(browser, "double-1") == ""


def test_the_place_of_an_attempt_that_has_ended_is_not_told_of_the_next_one_that_goes_on():
    with Flow("again") as flow:
        tried = at_last()
    flow.run(executor="processes")
    run = flow.runs[-1]
    ended, going = [2, 0.0, 1.0, "Success", "✓ Success"], [2, 0.0, None, "", ""]

    assert ran_on(run, tried, None, run.states[tried], {"attempts": [ended]}).startswith("worker process ")
    assert ran_on(run, tried, None, run.states[tried], {"attempts": [going]}) == ""
    assert ran_on(run, tried, None, run.states[tried], {"attempts": []}) == ""


def test_a_name_of_a_worker_is_cut_and_kept_on_one_line():
    with Flow("one"):
        one = at_last()
    record = SimpleNamespace(places={(one, -1): ""}, place_of=lambda *_: "a\nb" + "c" * 1_000)
    told = ran_on(SimpleNamespace(_record=record), one, None, None, {"attempts": [[1, 0.0, 1.0, "", ""]]})

    assert told.startswith("a bc")
    assert len(told) <= 80


class Client:
    """What a Dask client says of its dashboard."""

    def __init__(self, link):
        self.link = link

    @property
    def dashboard_link(self):
        if self.link is None:
            raise RuntimeError("there is none")
        return self.link


@pytest.mark.parametrize(
    ("said", "link"),
    [
        ("http://127.0.0.1:8787/status", "http://127.0.0.1:8787/status"),
        ("javascript:alert(1)", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_head_of_a_block_leads_to_the_dashboard_of_its_cluster(browse, said, link):
    @resource_manager
    def cluster():
        yield Client(said)

    with Flow("f") as flow, cluster() as client:
        task(lambda client: 1, name="inside")(client)
    run = flow.start(paused=True)
    for _ in range(2):
        run.step()
    browser = browse(flow, run).select("block--cluster-1")

    browser.until(lambda: browser.sections["head"]["link"] == link)
    run.cancel()
