"""Rule 18 of the cleanup guarantee: what may be a manager, and what a generator is told of its block."""

from __future__ import annotations

import contextlib
import functools
import warnings

import pytest

from nbflow import Flow, ledger, resource_manager, task
from nbflow.core.thrown import awaits_errors
from nbflow.errors import BlockCancelledError, BlockFailedError
from nbflow.signals import FAIL
from tests.patience import PATIENCE_S
from tests.shared import SharedList


@pytest.fixture
def diary():
    return SharedList()


def flow_with(manager, *tasks):
    with Flow("f") as flow, manager() as resource:
        for one in tasks:
            one(resource)
    return flow


def failing(error, name="fails"):
    def fails(resource):
        raise error

    return task(fails, name=name)


# A cleanup that cannot be called


class NoArgument:
    def setup(self): ...
    def cleanup(self): ...


class TwoMore:
    def setup(self): ...
    def cleanup(self, resource, force): ...


class NoSelf:
    def setup(self): ...
    def cleanup(resource): ...


class OnlyOutcome:
    def setup(self): ...
    def cleanup(self, outcome): ...


class PositionalOutcome:
    def setup(self): ...
    def cleanup(self, resource, outcome, /): ...


class StaticWithSelf:
    @staticmethod
    def cleanup(self, resource): ...


class OfAClass:
    @classmethod
    def cleanup(cls): ...


class Asynchronous:
    async def cleanup(self): ...


BROKEN = [
    NoArgument,
    TwoMore,
    NoSelf,
    OnlyOutcome,
    PositionalOutcome,
    StaticWithSelf,
    OfAClass,
    Asynchronous,
    functools.partial(NoArgument),
]


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: getattr(cls, "__name__", "partial"))
def test_a_cleanup_that_can_not_be_called_is_refused_when_the_manager_is_called_in_a_flow(cls):
    """Rule 18."""
    with Flow("f") as flow, pytest.raises(ValueError, match="can not be called with the resource"):
        resource_manager(cls)()

    assert not flow.tasks


def adding(fn):
    """Give a method one more argument."""

    @functools.wraps(fn)
    def wrapper(self, *args):
        return fn(self, *args, "more")

    return wrapper


class Plain:
    def cleanup(self, resource): ...


class WithOutcome:
    def cleanup(self, resource, outcome): ...


class WithDefault:
    def cleanup(self, resource, force=False, *, outcome=None): ...


class Anything:
    def cleanup(*args, **kwargs): ...


class Static:
    @staticmethod
    def cleanup(resource): ...


class Added:
    @adding
    def cleanup(self, resource, more): ...


class CallableObject:
    cleanup = functools.partial(print)


@pytest.mark.parametrize("cls", [Plain, WithOutcome, WithDefault, Anything, Static, Added, CallableObject])
def test_a_cleanup_that_can_be_called_is_not_refused(cls):
    """Rule 18."""
    with Flow("f") as flow, resource_manager(cls)():
        task(lambda: 1, name="use")()

    assert flow.run().is_successful()
    assert flow.runs[-1].cleanup_failures == {}


# Factories


class Thing:
    diary: list[str]

    def __init__(self, *args):
        self.args = args

    def setup(self):
        self.diary.append("setup")
        return "thing"

    def cleanup(self, thing):
        self.diary.append(f"cleanup {thing}")

    @classmethod
    def made(cls, *args):
        return cls(*args)

    class Maker:
        def __call__(self, *args):
            return Thing(*args)


FACTORIES = {
    "function": lambda *args: Thing(*args),
    "partial": functools.partial(Thing, 1),
    "partial of a function": functools.partial(lambda *args: Thing(*args), 1),
    "classmethod": Thing.made,
    "callable object": Thing.Maker(),
}


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_what_a_factory_makes_is_set_up_and_cleaned_up(diary, executor, factory):
    """Rule 18."""
    Thing.diary = diary
    with Flow("f") as flow, resource_manager(factory)() as thing:
        task(lambda r: diary.append(r), name="use")(thing)

    assert flow.run(executor=executor).is_successful()
    assert diary == ["setup", "thing", "cleanup thing"]
    assert [row.state for row in ledger.resources()] == []


class Held:
    """Without a setup: it is open when it is made."""

    diary: list[str]

    def __init__(self):
        self.diary.append("made")

    def cleanup(self, nothing):
        self.diary.append("cleanup")


@pytest.mark.one_home("a task reads the ledger")
def test_what_a_factory_makes_without_a_setup_is_open_when_it_is_made(diary, executor):
    """Rules 1 and 18."""
    Held.diary = diary
    rows = SharedList()
    with Flow("f") as flow, resource_manager(lambda: Held())():
        task(lambda: rows.extend(ledger.resources()), name="use")()

    assert flow.run(executor=executor).is_successful()
    assert diary == ["made", "cleanup"]
    assert [row.state in ("intent", "open") for row in rows] == [True]
    assert ledger.resources() == []


def test_what_a_factory_makes_is_not_made_when_no_task_of_the_block_will_run(diary, executor):
    """Rules 8 and 18."""
    Held.diary = diary
    with Flow("f") as flow:
        value = failing(ValueError("no"))(1)
        with resource_manager(lambda: Held())():
            task(lambda value: 1, name="use")(value)

    flow.run(executor=executor)

    assert diary == []


def test_a_run_cancelled_after_a_factory_has_made_what_needs_no_setup_cleans_it_up(diary):
    """Rules 6 and 18."""
    Held.diary = diary
    with Flow("f") as flow, resource_manager(lambda: Held())():
        task(lambda: 1, name="use")()

    run = flow.start(paused=True)
    run.step()
    assert diary == ["made"]
    run.cancel()
    run.wait(PATIENCE_S)

    assert diary == ["made", "cleanup"]
    assert ledger.resources() == []


def test_a_factory_in_a_mapped_block_makes_one_for_each_element(diary, executor):
    """Rule 18."""
    from nbflow import apply_map

    Held.diary = diary

    def each(x):
        with resource_manager(lambda: Held())():
            return task(lambda x: x, name="use")(x)

    with Flow("f") as flow:
        apply_map(each, [1, 2])

    assert flow.run(executor=executor).is_successful()
    assert sorted(diary) == ["cleanup"] * 2 + ["made"] * 2


# Generators behind decorators


def silent(fn):
    return lambda *args, **kwargs: fn(*args, **kwargs)


def wrapping(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return fn(*args, **kwargs)

    return wrapper


def delegating(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        yield from fn(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize("decorate", [silent, wrapping, delegating, lambda fn: functools.partial(fn)])
def test_a_generator_behind_an_ordinary_decorator_works_like_the_bare_one(diary, executor, decorate):
    """Rule 18."""

    def session():
        diary.append("setup")
        outcome = yield "session"
        diary.append(f"cleanup {outcome.is_successful}")

    flow = flow_with(resource_manager(decorate(session)), task(lambda r: diary.append(r), name="use"))

    assert flow.run(executor=executor).is_successful()
    assert diary == ["setup", "session", "cleanup True"]


@pytest.mark.parametrize("decorate", [silent, wrapping, delegating])
def test_a_generator_behind_a_decorator_gets_its_arguments(diary, decorate):
    """Rule 18."""

    @resource_manager
    @decorate
    def session(path, mode="r"):
        diary.append((path, mode))
        yield path

    with Flow("f") as flow:
        with session("here", mode="w") as one:
            task(lambda r: diary.append(r), name="use")(one)
        with session(task(lambda: "there", name="path")()) as other:
            task(lambda r: diary.append(r), name="use")(other)

    assert flow.run().is_successful()
    assert diary == [("here", "w"), "here", ("there", "r"), "there"]


@pytest.mark.parametrize("decorate", [silent, wrapping])
def test_an_asynchronous_generator_behind_an_ordinary_decorator_works_like_the_bare_one(diary, executor, decorate):
    """Rule 18."""

    async def session():
        diary.append("setup")
        outcome = yield "session"
        diary.append(f"cleanup {outcome.is_successful}")

    flow = flow_with(resource_manager(decorate(session)), task(lambda r: diary.append(r), name="use"))

    assert flow.run(executor=executor).is_successful()
    assert diary == ["setup", "session", "cleanup True"]


def test_another_try_of_the_setup_of_a_decorated_generator_begins_a_new_one(diary):
    """Rules 2 and 18."""
    from datetime import timedelta

    def session():
        diary.append("setup")
        if len(diary) == 1:
            raise OSError("not yet")
        yield "session"
        diary.append("cleanup")

    manager = resource_manager(silent(session), setup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})

    assert flow_with(manager, task(lambda r: diary.append(r), name="use")).run().is_successful()
    assert diary == ["setup", "setup", "session", "cleanup"]


# A generator with `except`


def transaction(diary, then="raise"):
    def session():
        try:
            yield "session"
            diary.append("commit")
        except Exception as error:
            diary.append(("rollback", error))
            if then == "raise":
                raise
            if then == "another":
                raise OSError("lost") from error
        finally:
            diary.append("close")

    return session


def async_transaction(diary, then="raise"):
    async def session():
        try:
            yield "session"
            diary.append("commit")
        except Exception as error:
            diary.append(("rollback", error))
            if then == "raise":
                raise
            if then == "another":
                raise OSError("lost") from error
        finally:
            diary.append("close")

    return session


def delegated(diary, then="raise"):
    def session():
        yield from transaction(diary, then)()

    return session


def context(diary, then="raise"):
    return contextlib.contextmanager(transaction(diary, then))


def async_context(diary, then="raise"):
    return contextlib.asynccontextmanager(async_transaction(diary, then))


KINDS = [
    transaction,
    async_transaction,
    delegated,
    context,
    async_context,
    lambda *args: silent(transaction(*args)),
]
all_kinds = pytest.mark.parametrize("kind", KINDS)


@all_kinds
def test_a_generator_with_except_commits_when_all_went_well(diary, executor, kind):
    """Rule 18."""
    flow = flow_with(resource_manager(kind(diary)), task(lambda s: 1, name="insert"))

    assert flow.run(executor=executor).is_successful()
    assert diary == ["commit", "close"]


@all_kinds
@pytest.mark.parametrize("then", ["raise", "swallow"])
def test_a_generator_with_except_gets_the_error_of_the_blocks_task(diary, executor, kind, then):
    """Rule 18: raising it again is no failure of the cleanup, swallowing it changes no state."""
    error = ValueError("no")
    insert = failing(error)

    flow = flow_with(resource_manager(kind(diary, then)), insert)
    state = flow.run(executor=executor)

    assert state.is_failed()
    (word, told), last = diary
    assert (word, repr(told), last) == ("rollback", repr(error), "close")
    assert flow.runs[-1].cleanup_failures == {}
    assert ledger.resources() == []


@all_kinds
def test_another_error_of_the_generator_is_a_failure_of_the_cleanup(diary, kind):
    """Rules 7 and 18."""
    flow = flow_with(resource_manager(kind(diary, "another")), failing(ValueError("no")))

    with pytest.warns(RuntimeWarning, match="lost"):
        flow.run()

    assert isinstance(next(iter(flow.runs[-1].cleanup_failures.values())), OSError)


@pytest.mark.parametrize("kind", [transaction, async_transaction, delegated])
def test_several_errors_come_as_a_group(diary, executor, kind):
    """Rule 18."""
    errors = [ValueError("one"), KeyError("two")]
    flow = flow_with(resource_manager(kind(diary)), *(failing(one, str(one)) for one in errors))

    flow.run(executor=executor)

    (_, group), _ = diary
    assert isinstance(group, ExceptionGroup)
    assert [repr(one) for one in group.exceptions] == [repr(one) for one in errors]
    assert flow.runs[-1].cleanup_failures == {}


def test_what_an_except_star_leaves_is_no_failure_of_the_cleanup(diary):
    """Rule 18."""

    def session():
        try:
            yield "session"
        except* ValueError:
            diary.append("handled")

    flow = flow_with(resource_manager(session), failing(ValueError("one"), "one"), failing(KeyError("two"), "two"))

    flow.run()

    assert diary == ["handled"]
    assert flow.runs[-1].cleanup_failures == {}


@all_kinds
def test_a_generator_with_except_gets_the_cancel(diary, kind):
    """Rules 6 and 18."""
    flow = flow_with(resource_manager(kind(diary)), task(lambda s: 1, name="first"))
    run = flow.start(paused=True)
    run.step()
    run.step()

    run.cancel()
    run.wait(PATIENCE_S)

    (word, error), last = diary
    assert (word, last) == ("rollback", "close")
    assert isinstance(error, BlockCancelledError)
    assert run.cleanup_failures == {}


def test_a_generator_with_except_is_told_of_a_failure_without_an_error(diary):
    """Rule 18."""

    @task(state_handlers=[lambda task, old, new: FAIL(result=None).state if new.is_successful() else None])
    def insert(session):
        pass

    flow_with(resource_manager(transaction(diary)), insert).run()

    (_, error), _ = diary
    assert isinstance(error, BlockFailedError)
    assert "insert" in str(error)


def test_a_generator_without_except_gets_the_outcome_and_goes_on_behind_its_yield(diary, executor):
    """Rule 18."""

    def session():
        try:
            with contextlib.nullcontext():
                outcome = yield "session"
                diary.append(str(outcome.error))
        finally:
            diary.append("close")
        try:
            diary.append("after")
        except ValueError:
            diary.append("never")

    flow_with(resource_manager(session), failing(ValueError("no"))).run(executor=executor)

    assert diary == ["no", "close", "after"]


def test_the_error_of_a_task_keeps_its_own_traceback(diary):
    """Rule 18: what the user looks at is the task's, not the manager's."""
    flow = flow_with(resource_manager(transaction(diary, "swallow")), failing(ValueError("no")))

    state = flow.run()

    error = next(one.result for one in state.result.values() if one.is_failed())
    names = SharedList()
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "session" not in names
    assert names[-1] == "fails"


def caught_outside(diary):
    try:
        try:
            yield
        finally:
            for one in diary:
                str(one)
    except (ValueError, OSError):
        pass


def caught_by_everything():
    with warnings.catch_warnings():
        try:
            yield
        except:  # noqa: E722
            repr(0)


def only_finally():
    try:
        yield
    finally:
        try:
            int("x")
        except ValueError:
            repr(0)


def in_the_handler():
    try:
        int("x")
    except ValueError:
        yield


def in_the_else():
    try:
        pass
    except ValueError:
        pass
    else:
        yield


@pytest.mark.parametrize(
    ("generator", "is_so"),
    [
        (caught_outside([]), True),
        (caught_by_everything(), True),
        (only_finally(), False),
        (in_the_handler(), False),
        (in_the_else(), False),
        ((x for x in [1]), False),
    ],
)
def test_a_yield_is_known_to_stand_in_a_try_with_except(generator, is_so):
    """Rule 18."""
    next(generator)

    assert awaits_errors(generator) is is_so
