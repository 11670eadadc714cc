"""What tasks know of their run: `context` and `log_stdout` (flow-model 4.12)."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, date, datetime

import pytest

from nbflow import Flow, Parameter, context, tags, task
from tests.patience import PATIENCE_S

DATES = ("today", "yesterday", "tomorrow", "today_nodash", "yesterday_nodash", "tomorrow_nodash")


@task
def everything():
    return {key: value for key, value in context.to_dict().items() if key[:1] != "_"}


def run_everything(executor, **kwargs):
    with Flow("report") as flow:
        t = everything()
    return flow.run(executor=executor, **kwargs).result[t].result


def test_a_task_knows_its_names_and_its_run(executor):
    """4.12"""
    found = run_everything(executor, flow_run_name="monday", flow_run_id="id1")

    assert found["flow_name"] == "report"
    assert found["flow_run_name"] == "monday"
    assert found["flow_run_id"] == "id1"
    assert found["task_name"] == found["task_full_name"] == "everything"
    assert found["task_slug"] == "everything-1"
    assert found["task_run_count"] == 1
    assert found["map_index"] is None
    assert found["task_id"]
    assert found["task_run_id"]


def test_a_task_knows_its_tags():
    """4.12"""
    with Flow("f") as flow, tags("a", "b"):
        t = task(lambda: context.task_tags, name="t")()

    assert set(flow.run().result[t].result) == {"a", "b"}


def test_mapped_children_have_their_index_in_their_names(executor):
    """4.12"""

    @task
    def name(x):
        return context.map_index, context.task_full_name, context.task_name

    with Flow("f") as flow:
        t = name.map(["a", "b"])

    assert flow.run(executor=executor).result[t].result == [(0, "name[0]", "name"), (1, "name[1]", "name")]


def test_the_dates_are_those_of_the_scheduled_start(executor):
    """4.12"""
    before = datetime.now(UTC)
    found = run_everything(executor)

    assert isinstance(found["scheduled_start_time"], datetime)
    assert before <= found["scheduled_start_time"] <= datetime.now(UTC)
    assert isinstance(found["date"], datetime)
    assert all(isinstance(found[key], str) for key in DATES)
    assert found["today"] == found["scheduled_start_time"].strftime("%Y-%m-%d")
    assert found["today_nodash"] == found["today"].replace("-", "")


@pytest.mark.parametrize(
    "given", [datetime(2019, 1, 1, tzinfo=UTC), date(2019, 1, 1), "2019-01-01", "2019-01-01T10:00:00Z"]
)
def test_a_given_date_drives_the_derived_dates(given):
    """4.12"""
    found = run_everything("inline", context={"date": given})

    assert found["date"] == given
    assert [found[key] for key in DATES] == [
        "2019-01-01",
        "2018-12-31",
        "2019-01-02",
        "20190101",
        "20181231",
        "20190102",
    ]


def test_a_derived_date_may_be_given_itself():
    """4.12"""
    assert run_everything("inline", context={"today": "someday"})["today"] == "someday"


def test_values_around_the_run_are_visible_inside(executor):
    """4.3"""
    with context(mine=1):
        assert run_everything(executor)["mine"] == 1


def test_parameters_are_in_the_context(executor):
    """4.12"""
    with Flow("f") as flow:
        Parameter("x", default=1)()
        t = task(lambda: dict(context.parameters), name="t")()

    assert flow.run(executor=executor).result[t].result == {"x": 1}
    assert flow.run(x=5, executor=executor).result[t].result == {"x": 5}


def test_what_a_task_writes_to_the_context_stays_with_it(executor):
    """4.12"""

    @task
    def write():
        context.left = 1

    @task
    def read(x):
        return context.get("left")

    with Flow("f") as flow:
        t = read(write())

    assert flow.run(executor=executor).result[t].result is None
    assert "left" not in context


def test_a_task_logs_under_its_name(executor, caplog):
    """4.12"""

    @task
    def speak():
        context.logger.info("hello")
        context.get("logger").warning("again")

    with Flow("f") as flow:
        speak()

    with caplog.at_level(logging.INFO, logger="nbflow"):
        flow.run(executor=executor)

    assert [(r.name, r.message) for r in caplog.records if "speak" in r.name] == [
        ("nbflow.speak", "hello"),
        ("nbflow.speak", "again"),
    ]


def test_prints_go_to_the_log_where_asked_for(executor, caplog, capsys):
    """4.12"""

    @task(log_stdout=True)
    def loud():
        print("to the log")
        print("two", "words", end="\n\n")

    @task
    def plain(x):
        print("to the screen")

    with Flow("f") as flow:
        plain(loud())

    with caplog.at_level(logging.INFO, logger="nbflow"):
        assert flow.run(executor=executor).is_successful()

    assert [r.message for r in caplog.records if r.name == "nbflow.loud"] == ["to the log", "two words"]
    assert capsys.readouterr().out == "to the screen\n"


def test_two_loud_tasks_at_once_do_not_mix(caplog, capsys):
    """4.12: on threads, only the printing thread is redirected."""
    import threading

    meet = threading.Barrier(3, timeout=PATIENCE_S)

    def say(text):
        meet.wait()
        print(text)
        meet.wait()

    a = task(lambda: say("from a"), name="a", log_stdout=True)
    b = task(lambda: say("from b"), name="b", log_stdout=True)
    c = task(lambda: say("from c"), name="c")
    with Flow("f", tasks=[a, b, c]) as flow:
        pass

    with caplog.at_level(logging.INFO, logger="nbflow"):
        assert flow.run(executor="threads").is_successful()

    assert {(r.name, r.message) for r in caplog.records if r.name in ("nbflow.a", "nbflow.b")} == {
        ("nbflow.a", "from a"),
        ("nbflow.b", "from b"),
    }
    assert capsys.readouterr().out == "from c\n"


DAYS = {"2020-01-02": ("2020-01-02", "2020-01-01", "20200103")}


@pytest.fixture
def days():
    """What a run of one task sees as today, yesterday and tomorrow."""

    def run(**options):
        with Flow("f") as flow:
            t = task(lambda: (context.today, context.yesterday, context.tomorrow_nodash), name="t")()
        return flow.run(**options).result[t].result

    return run


@pytest.mark.parametrize(
    "text", ["2020-01-02", "20200102", "2020/01/02", " 2020-01-02 13:00 ", "2020-01-02T23:59:59+02:00"]
)
def test_a_date_as_text_drives_the_derived_dates(text, days):
    """4.12"""
    assert days(context={"date": text}) == DAYS["2020-01-02"]


@pytest.mark.parametrize("given", ["junk", "", "2020-13-45", 5, object(), "0001-01-01", datetime.max])
def test_a_date_that_cannot_be_read_warns_and_the_present_counts(given, days):
    """4.12"""
    before = datetime.now(UTC).date()

    with pytest.warns(UserWarning, match="cannot be read as a date"):
        seen = days(context={"date": given})

    assert before.isoformat() <= seen[0] <= datetime.now(UTC).date().isoformat()


def test_it_is_seen_as_it_was_given():
    """4.12"""
    with pytest.warns(UserWarning, match="junk"):
        assert run_everything("inline", context={"date": "junk"})["date"] == "junk"


def test_the_date_of_the_innermost_block_counts(days):
    """4.12"""
    with context(date="2019-05-05"):
        with context(date="2020-01-02"):
            assert days() == DAYS["2020-01-02"]
        assert days(context={"date": "2020-01-02"}) == DAYS["2020-01-02"]
        assert days()[0] == "2019-05-05"


@pytest.mark.parametrize("key", ["date", "scheduled_start_time"])
def test_a_date_given_inside_of_a_task_counts_for_the_flow_that_it_runs(key, days):
    """4.12"""

    @task
    def outer():
        with context({key: datetime(2020, 1, 2, tzinfo=UTC)}):
            within = days()
        return within, days(context={key: datetime(2020, 1, 2, tzinfo=UTC)}), days()[0]

    with Flow("f") as flow:
        t = outer()

    assert flow.run(context={"date": "2019-05-05"}).result[t].result == (
        *(DAYS["2020-01-02"], DAYS["2020-01-02"]),
        "2019-05-05",
    )


def test_what_is_set_in_the_with_of_a_flow_ends_with_it():
    """2.10"""
    context.before = 0
    with Flow("f") as flow:
        context.colour, context["before"] = "red", 1
        with Flow("g"):
            assert (context.colour, context.flow.name) == ("red", "g")
            context.colour, context.inner = "blue", True
            del context.before
        assert (context.colour, context.before, context.get("inner"), context.flow) == ("red", 1, None, flow)

    assert (context.get("colour"), context.before, context.get("flow")) == (None, 0, None)
    del context.before


def test_it_ends_also_when_the_code_raises():
    """2.10"""
    with contextlib.suppress(KeyError), Flow("f"):
        context.colour = "red"
        raise KeyError

    assert "colour" not in context
    assert "flow" not in context


def test_a_task_that_builds_a_flow_keeps_its_context(executor):
    """2.10"""

    @task
    def build():
        context.mine = 1
        with Flow("inner"):
            context.mine = 2
        return context.mine, context.task_name, context.get("flow")

    with Flow("f") as flow:
        t = build()

    assert flow.run(executor=executor).result[t].result == (1, "build", None)
