"""A block of any context manager."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

import pytest

from nbflow import Flow, Parameter, task
from nbflow.errors import NoFlowError, OptionError, OptionTypeError
from nbflow.resources import managed
from tests.shared import SharedList


class Diary:
    """A context manager that writes down what it is told."""

    def __init__(self, *args, lines, swallows=False, **kwargs):
        self.lines = lines
        self.swallows = swallows
        lines.append((args, kwargs) if kwargs else args)

    def __enter__(self):
        self.lines.append("enter")
        return "resource"

    def __exit__(self, kind, error, traceback):
        self.lines.append((kind, error))
        return self.swallows


@task
def use(x):
    return x


@task
def fail(x):
    raise ValueError(x)


@pytest.mark.one_memory("an open file cannot travel")
def test_a_function_that_opens_something_makes_a_block(tmp_path, executor):
    path = tmp_path / "a.txt"
    path.write_text("hello")
    kept = SharedList()
    with Flow("f") as flow, managed(open, path) as file:
        text = task(lambda file: kept.append(file) or file.read(), name="read")(file)

    state = flow.run(executor=executor)

    assert state.result[text].result == "hello"
    assert kept[0].closed


def test_its_arguments_may_be_tasks_and_parameters():
    lines = SharedList()
    with Flow("f") as flow:
        one = use(1)
        with managed(Diary, one, [one, 2], lines=lines, key=Parameter("key")) as resource:
            use(resource)

    # The list is a copy when it has a task in it, so the diary's own is passed by the flow's constants.
    state = flow.run(key="k")

    assert state.is_successful()
    assert lines[0] == ((1, [1, 2]), {"key": "k"})


def test_the_exit_is_told_nothing_when_all_went_well():
    lines = SharedList()
    with Flow("f") as flow, managed(Diary, lines=lines) as resource:
        use(resource)

    flow.run()

    assert lines == [(), "enter", (None, None)]


def test_the_exit_is_told_the_first_error_of_the_block():
    lines = SharedList()
    with Flow("f") as flow, managed(Diary, lines=lines) as resource:
        fail(fail(resource))

    assert flow.run().is_failed()
    kind, error = lines[-1]
    assert kind is ValueError
    assert str(error) == "resource"


def test_an_exit_that_swallows_the_error_changes_no_state():
    lines = SharedList()
    with Flow("f") as flow, managed(Diary, lines=lines, swallows=True) as resource:
        failed = fail(resource)

    state = flow.run()

    assert state.is_failed()
    assert state.result[failed].is_failed()


def test_an_asynchronous_context_manager_is_awaited(executor):
    lines = SharedList()

    @contextlib.asynccontextmanager
    async def connect(name):
        lines.append("enter")
        try:
            yield name
        finally:
            lines.append("exit")

    with Flow("f") as flow, managed(connect, "x") as resource:
        task(lambda x: lines.append(x), name="use")(resource)

    assert flow.run(executor=executor).is_successful()
    assert lines == ["enter", "x", "exit"]


def test_a_context_manager_itself_may_be_given():
    with Flow("f") as flow, managed(tempfile.TemporaryDirectory()) as folder:
        there = task(lambda folder: (folder, Path(folder).is_dir()), name="look")(folder)

    path, was_there = flow.run().result[there].result

    assert was_there
    assert not Path(path).exists()


def test_a_class_of_context_managers_gives_each_run_a_new_one():
    seen = SharedList()
    with Flow("f") as flow, managed(tempfile.TemporaryDirectory) as folder:
        task(lambda x: seen.append(x), name="see")(folder)

    flow.run()
    flow.run()

    assert len(set(seen)) == 2


def test_a_context_manager_that_can_be_called_as_well_is_entered():
    lines = SharedList()

    @contextlib.contextmanager
    def open_it():
        lines.append("enter")
        yield
        lines.append("exit")

    with Flow("f") as flow, managed(open_it()):
        use(1)

    assert flow.run().is_successful()
    assert lines == ["enter", "exit"]


def test_a_task_may_make_the_context_manager(tmp_path):
    with Flow("f") as flow:
        file = task(lambda: (tmp_path / "a").open("w"), name="opened")()
        with managed(file) as file:
            use(task(lambda file: file.write("x"), name="write")(file))

    assert flow.run().is_successful()
    assert (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize(
    ("cm", "name"),
    [
        (open, "open"),
        (tempfile.TemporaryDirectory, "TemporaryDirectory"),
        (functools.partial(open, "x"), "open"),
        (contextlib.nullcontext(), "nullcontext"),
    ],
)
def test_the_block_is_called_after_what_was_given(cm, name):
    with Flow("f"):
        assert managed(cm).name == name
        assert managed(cm, name="mine").name == "mine"


def test_what_is_no_context_manager_and_makes_none_is_refused_at_once():
    with Flow("f"), pytest.raises(OptionTypeError, match=r"'a\.txt' is no context manager"):
        managed("a.txt")


def test_what_turns_out_to_make_no_context_manager_fails_the_setup():
    with Flow("f") as flow:
        block = managed(str, 5)
        with block as resource:
            use(resource)

    state = flow.run()

    assert "str has made no context manager, but '5'" in str(state.result[block.setup_task].result)


def test_a_context_manager_takes_no_arguments():
    with Flow("f"), pytest.raises(OptionError, match="takes no arguments; give what makes it"):
        managed(contextlib.nullcontext(), 1)


def test_outside_of_a_flow_it_says_so():
    with pytest.raises(NoFlowError):
        managed(open, "x")
