"""The task: its options, what it refuses, and the calls that put it into a flow."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import typing
import warnings
from datetime import timedelta

import cloudpickle
import pytest

from nbflow.core.annotations import mapped, unmapped
from nbflow.core.cache_validators import all_inputs, duration_only, never_use
from nbflow.core.collections import Constant
from nbflow.core.context import context
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.states import Failed, Success, TriggerFailed
from nbflow.core.tags import tags
from nbflow.core.task import Task
from nbflow.core.triggers import all_failed, all_successful
from nbflow.errors import NbflowError, NoFlowError


class Add(Task):
    def run(self, x, y=1):
        return x + y


class Keywords(Task):
    def run(self, **values):
        return values


def arguments(graph, task):
    return {edge.key: edge.upstream_task for edge in graph.edges_in(task)} | graph.constants[task]


# Options


def test_defaults():
    """Flow-model 3.1."""
    t = Task()

    assert t.name == "Task"
    assert t.slug is None
    assert t.tags == set()
    assert t.max_retries == 0
    assert t.retry_delay is None
    assert t.retry_on is None
    assert t.timeout is None
    assert t.trigger is all_successful
    assert t.skip_on_upstream_skip is True
    assert t.cache_for is None
    assert t.cache_key is None
    assert t.cache_validator is never_use
    assert t.checkpoint is None
    assert t.state_handlers == []
    assert t.log_stdout is False
    assert t.result is None
    assert t.target is None
    assert t.task_run_name is None
    assert t.nout is None
    assert t.auto_generated is False


def test_options_become_attributes():
    """Flow-model 3.1."""
    options = {
        "name": "n",
        "slug": "s",
        "max_retries": 2,
        "retry_delay": timedelta(seconds=1),
        "timeout": 5,
        "trigger": all_failed,
        "skip_on_upstream_skip": False,
        "cache_for": timedelta(days=1),
        "cache_validator": all_inputs,
        "cache_key": "k",
        "checkpoint": False,
        "log_stdout": True,
        "result": "r",
        "target": "t",
        "task_run_name": "run",
        "nout": 2,
    }

    t = Task(**options)

    assert {name: getattr(t, name) for name in options} == options


def test_the_name_of_a_subclass_is_that_of_the_class():
    """Flow-model 3.1."""
    assert Add().name == "Add"
    assert Add(name="mine").name == "mine"


def test_the_base_class_runs_and_returns_nothing():
    """Flow-model 3.1."""
    assert Task().run() is None


def test_tasks_hash_and_compare_by_identity():
    """Flow-model 3.1."""
    a, b = Task("a"), Task("a")

    assert len({a, b, a}) == 2
    assert a != b


def test_a_subclass_may_set_attributes_of_its_own():
    """Flow-model 3.1."""

    class Power(Task):
        def __init__(self, exponent, **kwargs):
            self.exponent = exponent
            super().__init__(**kwargs)

        def run(self, x):
            return x**self.exponent

    assert Power(3, name="cube").run(2) == 8


def test_run_may_be_a_coroutine_function():
    class Later(Task):
        async def run(self, x):
            return x

    assert inspect.iscoroutinefunction(Later().run)


def test_tags_are_kept_as_a_set():
    """Flow-model 3.1."""
    assert Task(tags=["a", "b", "a"]).tags == {"a", "b"}


def test_two_tasks_do_not_share_their_collections():
    """Flow-model 3.1."""
    a, b = Task(), Task()

    a.tags.add("x")
    a.state_handlers.append(print)

    assert b.tags == set()
    assert b.state_handlers == []


def test_the_logger_is_named_after_the_task():
    """Flow-model 4.12."""
    assert Task("x").logger is logging.getLogger("nbflow.x")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tags": "abc"}, TypeError, "should be a set of tags, not a string"),
        ({"max_retries": 2}, ValueError, "`retry_delay` must be provided"),
        (
            {"retry_delay": timedelta(seconds=1)},
            ValueError,
            "A `max_retries` argument greater than 0 must be provided if specifying a retry delay",
        ),
        (
            {"retry_delay": timedelta(seconds=1), "max_retries": 0},
            ValueError,
            "A `max_retries` argument greater than 0 must be provided if specifying a retry delay",
        ),
        ({"retry_on": OSError}, ValueError, "A `max_retries` argument greater than 0"),
        ({"timeout": 0.5}, TypeError, "Only integer timeouts"),
        ({"timeout": "5"}, TypeError, "Only integer timeouts"),
        ({"state_handlers": print}, TypeError, "state_handlers should be iterable"),
    ],
)
def test_impossible_options_are_refused(options, kind, message):
    """Flow-model 3.2."""
    with pytest.raises(kind, match=message) as caught:
        Task(**options)

    assert isinstance(caught.value, NbflowError)


RETRY = {"max_retries": 1, "retry_delay": timedelta(0)}


@pytest.mark.parametrize(
    ("retry_on", "expected"),
    [
        (None, None),
        (OSError, {OSError}),
        ([OSError, KeyError], {OSError, KeyError}),
        ({OSError}, {OSError}),
        ((), set()),
    ],
)
def test_retry_on_becomes_a_set(retry_on, expected):
    """Flow-model 3.2."""
    assert Task(retry_on=retry_on, **RETRY).retry_on == expected


def test_retry_on_takes_exception_types_only():
    """Flow-model 3.2."""
    with pytest.raises(TypeError, match="exception type but got an instance of str"):
        Task(retry_on=["OSError"], **RETRY)
    with pytest.raises(TypeError, match="exception type but got an instance of OSError"):
        Task(retry_on={OSError()}, **RETRY)
    with pytest.raises(TypeError, match="int is none"):
        Task(retry_on=int, **RETRY)


def test_a_timeout_may_be_a_timedelta():
    """Flow-model 3.2."""
    assert Task(timeout=timedelta(minutes=1)).timeout == 60


def test_a_timeout_with_fractions_of_a_second_warns():
    """Flow-model 3.2."""
    with pytest.warns(UserWarning, match="sub-second") as caught:
        t = Task(timeout=timedelta(seconds=2, milliseconds=5))

    assert t.timeout == 2
    assert caught[0].filename == __file__


def test_the_default_validator_depends_on_cache_for():
    """Flow-model 3.2."""
    assert Task(cache_for=timedelta(days=1)).cache_validator is duration_only


def test_a_validator_without_cache_for_warns():
    """Flow-model 3.2."""
    with pytest.warns(UserWarning, match="Task will not be cached"):
        Task(cache_validator=all_inputs)
    Task(cache_validator=never_use)


def test_on_failure_becomes_a_state_handler():
    """Flow-model 4.11."""
    seen = []
    t = Task(state_handlers=[print], on_failure=lambda obj, state: seen.append((obj, state)))
    handler = t.state_handlers[1]
    failed, refused, fine = Failed(), TriggerFailed(), Success()

    assert [handler(t, None, state) for state in (failed, refused, fine)] == [failed, refused, fine]

    assert len(t.state_handlers) == 2
    assert [state for _, state in seen] == [failed, refused]
    assert all(obj is t for obj, _ in seen)


def test_the_given_list_of_handlers_is_not_changed():
    """Flow-model 3.1."""
    handlers = [print]

    Task(state_handlers=handlers, on_failure=print)

    assert handlers == [print]


# Class creation


def test_a_run_with_variable_positional_arguments_is_refused():
    """Flow-model 3.3."""
    with pytest.raises(ValueError, match=r"\*args"):

        class Bad(Task):
            def run(self, *args):
                pass


@pytest.mark.parametrize("name", ["mapped", "flow", "task_args", "upstream_tasks"])
def test_a_run_with_a_reserved_argument_is_refused(name):
    """Flow-model 3.3."""
    namespace: dict = {}
    exec(f"def run(self, {name}): pass", namespace)

    with pytest.raises(ValueError, match=f"Tasks cannot have the following argument names: {name}"):
        type("Bad", (Task,), {"run": namespace["run"]})


def test_a_run_with_positional_only_arguments_is_refused():
    """Flow-model 3.3."""
    with pytest.raises(TypeError, match="positional-only"):

        class Bad(Task):
            def run(self, x, /, y):
                pass


def test_a_run_that_can_not_be_inspected_is_refused():
    """Flow-model 3.3."""
    with pytest.raises(ValueError, match="This function can not be inspected"):
        type("Bad", (Task,), {"run": staticmethod(max)})


def test_a_static_run_has_no_self():
    class Static(Task):
        @staticmethod
        def run(x):
            return x

    with Graph("f") as flow:
        t = Static()(5)

    assert flow.constants[t] == {"x": 5}


def test_an_inherited_run_is_bound_like_an_own_one():
    class More(Add):
        pass

    with Graph("f") as flow:
        t = More()(1, 2)

    assert flow.constants[t] == {"x": 1, "y": 2}


def test_a_task_given_to_the_constructor_warns():
    """Flow-model 3.3."""

    class MyTask(Task):
        def __init__(self, x=None, **kwargs):
            super().__init__(**kwargs)

    for make in (lambda: MyTask(Task()), lambda: MyTask(x=Task())):
        with pytest.warns(UserWarning, match="A Task was passed as an argument to MyTask") as caught:
            make()
        assert caught[0].filename == __file__


def test_a_reserved_attribute_set_too_early_warns():
    """Flow-model 3.3."""

    class Early(Task):
        def __init__(self, **kwargs):
            self.target = "mine"
            super().__init__(**kwargs)

    with pytest.warns(UserWarning, match="`Early` sets a `target` attribute"):
        t = Early()

    assert t.target is None


def test_a_reserved_attribute_of_the_class_warns():
    """Flow-model 3.3."""

    class Early(Task):
        timeout = 5

    with pytest.warns(UserWarning, match="`Early` sets a `timeout` attribute"):
        t = Early()

    assert t.timeout is None


def test_a_reserved_attribute_set_afterwards_does_not_warn():
    """Flow-model 3.3."""

    class Late(Task):
        def __init__(self, **kwargs):
            self.other = 1
            super().__init__(**kwargs)
            self.target = "mine"

    assert Late().target == "mine"


# Calling


def test_a_call_binds_a_copy_and_returns_it():
    """Flow-model 3.5."""
    add = Add()
    with Graph("f") as flow:
        a = Task()()
        made = add(a, 2)

    assert isinstance(made, Add)
    assert made is not add
    assert flow.tasks == {a, made}
    assert arguments(flow, made) == {"x": a, "y": 2}


def test_bind_binds_the_task_itself():
    """Flow-model 3.5."""
    add = Add()
    with Graph("f") as flow:
        assert add.bind(1) is add

    assert flow.tasks == {add}
    assert flow.constants[add] == {"x": 1}


def test_defaults_of_run_are_left_to_run():
    """Flow-model 3.5."""
    with Graph("f") as flow:
        made = Add()(x=1)

    assert flow.constants[made] == {"x": 1}


def test_variable_keywords_become_single_keys():
    """Flow-model 3.5."""
    a = Task()
    with Graph("f") as flow:
        made = Keywords()(p=a, q=2)

    assert arguments(flow, made) == {"p": a, "q": 2}


def test_variable_keywords_mix_with_named_arguments():
    """Flow-model 3.5."""

    @task
    def mixed(x, *, y, z=3, **rest): ...

    with Graph("f") as flow:
        made = mixed(1, q=4, y=2)

    assert flow.constants[made] == {"x": 1, "q": 4, "y": 2}


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'x'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"x": 2}, "multiple values for argument 'x'"),
        ((1,), {"z": 2}, "unexpected keyword argument 'z'"),
        ((), {"y": 2}, "missing a required argument: 'x'"),
    ],
)
def test_wrong_arguments_are_refused_in_the_words_of_the_signature(args, kwargs, message):
    """Flow-model 3.5."""
    with pytest.raises(TypeError, match=message) as caught:
        Add().bind(*args, flow=Graph("f"), **kwargs)

    assert caught.value.__notes__ == ["in a call of <Task: Add>"]


def test_a_call_takes_keywords_of_its_own():
    """Flow-model 3.5."""
    flow, first, items = Graph("f"), Task("first"), Task("items")

    made = Add()(
        items,
        flow=flow,
        mapped=True,
        upstream_tasks=[unmapped(first)],
        task_args={"name": "n", "tags": ["t"]},
    )

    assert (made.name, made.tags) == ("n", {"t"})
    assert {(e.upstream_task, e.key, e.mapped) for e in flow.edges_to(made)} == {
        (items, "x", True),
        (first, None, False),
    }


def test_a_call_without_a_flow_is_refused_with_a_remedy():
    """Flow-model 3.5."""
    message = "Could not infer an active Flow context while creating edge to <Task: mine>"

    with pytest.raises(ValueError, match=message) as caught:
        Add(name="mine")(1)

    assert isinstance(caught.value, NoFlowError)
    assert "`Add(...).run(...)`" in str(caught.value)


def test_the_signature_of_a_task_is_that_of_a_call():
    """Flow-model 3.5."""

    class Test(Task):
        def run(self, x: int, y: bool, z: int = 1, **kwargs):
            pass

    t = Test()
    signature = inspect.signature(t)

    for name, parameter in inspect.signature(t.run).parameters.items():
        assert signature.parameters[name] == parameter
    assert list(signature.parameters) == [
        "x",
        "y",
        "z",
        "mapped",
        "task_args",
        "upstream_tasks",
        "flow",
        "kwargs",
    ]
    assert signature.return_annotation == "Task"


def test_the_signature_of_a_task_class_is_that_of_its_constructor():
    """Flow-model 3.5."""

    class Test(Task):
        def __init__(self, exponent, **kwargs): ...

    assert list(inspect.signature(Test).parameters) == ["exponent", "kwargs"]
    assert "name" in inspect.signature(Add).parameters
    assert "self" not in inspect.signature(Task).parameters


def test_a_run_set_on_a_task_is_bound_by_its_own_signature():
    t = Add()
    t.run = lambda p, q: p

    with Graph("f") as flow:
        made = t(1, q=2)
        made.run = lambda other: other
        again = made.copy().bind(3)

    assert flow.constants[made] == {"p": 1, "q": 2}
    assert flow.constants[again] == {"other": 3}


# Copies


def test_a_copy_is_shallow():
    """Flow-model 3.6."""
    t = Task(name="a", tags=["x"], trigger=all_failed)
    t.own = [1]

    new = t.copy()

    assert new is not t
    assert (new.name, new.tags, new.trigger) == ("a", {"x"}, all_failed)
    assert new.own is t.own
    new.tags.add("y")
    assert t.tags == {"x"}


def test_a_copy_may_differ_in_attributes():
    """Flow-model 3.6."""
    new = Task(name="a").copy(name="b", timeout=5)

    assert (new.name, new.timeout) == ("b", 5)


def test_an_unknown_attribute_of_a_copy_is_named():
    """Flow-model 3.6."""
    with pytest.raises(AttributeError, match="does not have colour as an attribute"):
        Task().copy(colour="red")


def test_tags_of_a_copy_are_united():
    """Flow-model 3.6."""
    t = Task(tags=["a"])

    with tags("c"):
        new = t.copy(tags=["b"])

    assert new.tags == {"a", "b", "c"}
    assert t.tags == {"a"}


def test_a_slug_gets_a_suffix_unless_one_is_given():
    """Flow-model 3.6."""
    assert Task(slug="s").copy().slug == "s-copy"
    assert Task(slug="s").copy(slug="t").slug == "t"
    assert Task().copy().slug is None


def test_copying_a_task_that_has_edges_warns():
    """Flow-model 3.6."""
    a, b = Task("a"), Task("b")
    with Graph("f") as flow:
        flow.add_edge(a, b)
        for t in (a, b):
            with pytest.warns(UserWarning, match="You are making a copy") as caught:
                flow.add_task(t.copy())
            assert caught[0].filename == __file__


def test_copying_a_task_without_edges_here_does_not_warn():
    """Flow-model 3.6."""
    a, other = Task("a"), Graph("other")
    other.add_edge(a, Task())

    with Graph("f") as flow:
        flow.add_task(a)
        flow.add_task(a.copy())


def test_a_class_with_an_idea_of_copying_is_copied_in_its_way():
    class Own(Task):
        def __copy__(self):
            new = type(self)()
            new.copied = True
            return new

    assert Own().copy().copied


# Dependencies


def test_set_upstream_and_set_downstream_make_edges_and_return_self():
    """Flow-model 3.7."""
    a, b, c = Task("a"), Add(), Add()
    flow = Graph("f")

    assert b.set_upstream(a, flow=flow, key="x", mapped=True) is b
    assert b.set_downstream(c, flow=flow) is b
    assert a.set_downstream(c, flow=flow, key="y") is a
    assert c.set_upstream(a, flow=flow) is c

    assert {(e.upstream_task, e.downstream_task, e.key, e.mapped) for e in flow.edges} == {
        (a, b, "x", True),
        (b, c, None, False),
        (a, c, "y", False),
        (a, c, None, False),
    }


def test_set_dependencies_makes_all_kinds_of_edges():
    """Flow-model 3.7."""
    a, b, c, d = Task("a"), Task("b"), Task("c"), Add()
    with Graph("f") as flow:
        assert d.set_dependencies(upstream_tasks=[a], downstream_tasks=[b], keyword_tasks={"x": c}) is d

    assert {(e.upstream_task, e.downstream_task, e.key) for e in flow.edges} == {
        (a, d, None),
        (d, b, None),
        (c, d, "x"),
    }


def test_annotations_work_in_set_upstream():
    """Flow-model 5.7."""
    a, b = Task(), Task()
    with Graph("f") as flow:
        b.set_upstream(mapped(a))

    assert [e.mapped for e in flow.edges] == [True]


@pytest.mark.parametrize("method", ["set_upstream", "set_downstream"])
def test_dependencies_need_a_flow(method):
    """Flow-model 3.7."""
    with pytest.raises(ValueError, match="No Flow was passed"):
        getattr(Task(), method)(Task())
    with pytest.raises(ValueError, match="No Flow was passed"):
        Task().set_dependencies(upstream_tasks=[Task()])


def test_inputs_describe_the_arguments_of_run():
    """Flow-model 3.7."""
    t = Task()
    namespace: dict = {}
    exec("def run(x: int, y, z: str = 'a'): pass", namespace)
    t.run = namespace["run"]

    assert t.inputs() == {
        "x": {"type": int, "default": None, "required": True},
        "y": {"type": typing.Any, "default": None, "required": True},
        "z": {"type": str, "default": "a", "required": False},
    }


def test_outputs_are_the_return_annotation():
    """Flow-model 3.7."""
    namespace: dict = {}
    exec("def annotated() -> int: pass\ndef bare(): pass", namespace)

    assert task(namespace["annotated"]).outputs() is int
    assert task(namespace["bare"]).outputs() is typing.Any


def test_annotations_that_are_text_are_resolved_where_they_can_be():
    """Flow-model 3.7."""

    @task
    def typed(x: int, y: Unknown) -> typing.Any: ...  # noqa: F821

    assert typed.inputs()["x"]["type"] is int
    assert typed.inputs()["y"]["type"] == "Unknown"
    assert typed.outputs() is typing.Any


def test_pipe_calls_the_other_with_the_task():
    """Flow-model 3.7."""
    a, add = Task("a"), Add()
    with Graph("f") as flow:
        made = a.pipe(add, y=5)
        again = a.pipe(unmapped).task

    assert arguments(flow, made) == {"x": a, "y": 5}
    assert again is a


def test_pipe_passes_keywords_named_like_its_own_arguments_on():
    """Flow-model 3.7."""
    assert Task().pipe(lambda t, _task, _self: (_task, _self), _task=1, _self=2) == (1, 2)


def test_pipe_refuses_the_keyword_self():
    """Flow-model 3.7."""
    with pytest.raises(ValueError, match='"self"'):
        Task().pipe(Add(), self=1)


# Several results


def test_a_task_is_not_iterable():
    """Flow-model 3.10."""
    with pytest.raises(TypeError, match="Task is not iterable"):
        iter(Task())
    with pytest.raises(TypeError, match="Task is not iterable"):
        _, _ = Task()


def test_nout_lets_a_task_be_unpacked():
    """Flow-model 3.10."""
    t = Task("t", nout=2)
    with Graph("f") as flow:
        a, b = t

    assert [a.name, b.name] == ["t[0]", "t[1]"]
    assert flow.constants[b] == {"key": 1}
    assert len(list(Task(nout=0))) == 0


@pytest.mark.parametrize(
    ("annotation", "nout"),
    [
        (tuple[int, str], 2),
        (typing.Tuple[int, str, int], 3),  # noqa: UP006
        ("tuple[int, str]", 2),
        ("typing.Tuple[int]", 1),
        (tuple[()], 0),
        (typing.Tuple[()], 0),  # noqa: UP006
        (tuple, None),
        (typing.Tuple, None),  # noqa: UP006
        (tuple[int, ...], None),
        ("Tuple[Unknown, int]", None),
        (tuple[int, *tuple[str, ...]], None),
        (list[int], None),
        (int, None),
        (None, None),
    ],
)
def test_nout_is_read_from_the_return_annotation(annotation, nout):
    """Flow-model 3.10."""

    def run(self): ...

    run.__annotations__["return"] = annotation
    cls = type("Several", (Task,), {"run": run})

    assert cls().nout == nout
    assert cls(nout=7).nout == 7


def test_map_forgets_nout_unless_told():
    """Flow-model 3.10."""
    t = Add(nout=2)
    with Graph("f"):
        assert t.map([1]).nout is None
        assert t.map([1], task_args={"nout": 3}).nout == 3
    assert t.nout == 2


# Mapping


def test_map_copies_and_makes_mapped_edges():
    """Flow-model 5.1."""
    a, b, add = Task("a"), Task("b"), Add()
    with Graph("f") as flow:
        made = add.map(a, unmapped(b), upstream_tasks=[Constant([1])])

    assert made is not add
    assert {(e.key, e.mapped) for e in flow.edges_to(made)} == {("x", True), ("y", False), (None, True)}


def test_a_mapped_constant_becomes_a_task():
    """Flow-model 5.1."""
    with Graph("f") as flow:
        made = Add().map([1, 2], y=unmapped(5))

    (edge,) = flow.edges_to(made)
    assert isinstance(edge.upstream_task, Constant)
    assert edge.mapped
    assert flow.constants[made] == {"y": 5}


def test_only_what_has_items_can_be_mapped_over():
    """Flow-model 5.1."""
    flow = Graph("f")

    with pytest.raises(TypeError, match="unsubscriptable object of type int"):
        Add().map(1, flow=flow)
    Add().map([1], unmapped(2), flow=flow)


def test_map_needs_a_flow():
    """Flow-model 5.1."""
    with pytest.raises(ValueError, match="Could not infer an active Flow"):
        Add().map([1])


# Tags in the context


def test_tags_of_the_context_are_given_on_creation_copy_and_bind():
    """Flow-model 3.11."""
    made_before, flow = Task(), Graph("f")

    with tags("a", "b"), tags("c"):
        created = Task(tags=["d"])
        copied = made_before.copy()
        made_before.bind(flow=flow)

    assert created.tags == {"a", "b", "c", "d"}
    assert copied.tags == {"a", "b", "c"}
    assert made_before.tags == {"a", "b", "c"}
    assert "tags" not in context


# Pickling


def test_a_task_survives_a_pickle():
    t = Constant([1], name="one", timeout=5, tags=["a"])

    again = pickle.loads(pickle.dumps(t))

    assert (again.name, again.timeout, again.tags, again.run()) == ("one", 5, {"a"}, [1])
    assert copy.copy(t).name == "one"


def test_a_task_of_a_local_class_survives_a_pickle():
    class Local(Task):
        def run(self, x):
            return x

    again = cloudpickle.loads(cloudpickle.dumps(Local(name="l")))

    assert (again.name, again.run(3)) == ("l", 3)


def test_making_a_plain_task_warns_about_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Add(name="x", tags=["a"], cache_for=timedelta(days=1))
