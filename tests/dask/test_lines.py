"""A function fails on a worker of a real cluster: the user's line is shown wherever the error is."""

from __future__ import annotations

import sys
import traceback

import cloudpickle
import pytest

from nbflow import Flow, task
from nbflow.panel.inspector.tracebacks import told
from nbflow.resources import DaskCluster

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("ignore"),  # of distributed, about ports and slow starts
]

ADDING = 'return sum(row["amount"] for row in rows)'


def add_up(rows):
    return sum(row["amount"] for row in rows)


@task
def submitted(client):
    return client.submit(add_up, [{"amount": 1}, {"amount": None}]).result()


@task(trigger=lambda upstream: True)
def mapped(client, after):
    return client.gather(client.map(lambda row: row["amount"] + 1, [{"amount": 1}, {"amount": None}]))


@pytest.fixture(autouse=True)
def _notebook():
    """A notebook's functions are shipped by value; a test's would be imported by the worker."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_the_line_that_failed_on_a_worker_is_shown_in_the_error_and_in_the_inspector():
    options = {"threads_per_worker": 1, "dashboard_address": None}
    with Flow("sales") as flow, DaskCluster(1, cluster_kwargs=options) as client:
        one = submitted(client)
        other = mapped(client, one)

    state = flow.run()

    for failed, name, line in [
        (one, "add_up", ADDING),
        (other, "<lambda>", 'return client.gather(client.map(lambda row: row["amount"] + 1, [{"amount": 1}'),
    ]:
        error = state.result[failed].result
        assert isinstance(error, TypeError)
        assert line in "".join(traceback.format_exception(error))
        link = told(error)["chain"][0]
        assert line in link["frames"][0]["code"]
        assert link["frames"][0]["name"].endswith(name)
        assert link["frames"][0]["place"].endswith("test_lines.py")
        assert line in told(error)["text"]
