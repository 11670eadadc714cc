"""Managers made of what has a protocol of its own: generators and context managers, asynchronous or not.

The engine meets all of them as an object with `setup` and `cleanup`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from nbflow.core.redefinition import newest
from nbflow.core.thrown import awaits_errors, error_of, is_same
from nbflow.errors import ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.block_outcome import BlockOutcome

SECOND_YIELD = "it yields a second time; what comes after the one `yield` cleans up"


class Wrapped:
    """A manager made of something that has a protocol of its own; `make` gives a fresh one for each setup."""

    called = ""

    def __init__(self, make: functools.partial[Any]) -> None:
        self._make = make
        self._error: BaseException | None = None
        self.inner: Any = None

    @property
    def name(self) -> str:
        """The name that the user gave it."""
        return self.called or str(getattr(self._make.func, "__name__", "manager"))

    def renew(self) -> None:
        """Take the newest definition of what it is made by, for the setup that comes."""
        self._make = newest(self._make)

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Return the one call that sets up, without a line of ours behind it (see `Call.keep`)."""
        raise NotImplementedError

    def setup(self) -> Any:
        """Return the resource, or something to be awaited for it."""
        fn, args = self.begin()
        return fn(*args)

    def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> Any:
        """Clean up, knowing the outcome."""
        raise NotImplementedError

    def _to_throw(self, outcome: BlockOutcome | None) -> BaseException | None:
        """Return what is to be thrown in at the `yield`; None if it is to be told nothing, or the outcome."""
        if outcome is None or outcome.is_successful or not awaits_errors(self.inner):
            return None
        return error_of(outcome, self.name)

    def _once(self) -> None:
        if self._error is not None:  # it is used up: what was not cleaned at the first try stays
            raise self._error


class GeneratorManager(Wrapped):
    """A generator that yields the resource and goes on behind the `yield` to clean up.

    Where the `yield` stands in a `try` with an `except`, the errors of the block's tasks are thrown in there; else it
    is sent the outcome.
    """

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Run to the `yield`."""
        self.inner = self._make()
        return next, (self.inner,)

    def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> None:
        """Run from the `yield` to the end."""
        self._once()
        error = self._to_throw(outcome)
        trace = None if error is None else error.__traceback__
        try:
            if error is None:
                self.inner.send(outcome)
            else:
                self.inner.throw(error)
        except StopIteration as ended:
            if ended is not error:
                return
        except BaseException as raised:
            if error is None or not is_same(raised, error):
                self._error = raised
                raise
            return
        finally:
            if error is not None:
                error.__traceback__ = trace  # the task's, without the lines of the manager
        self.inner.close()
        raise ManagerError(self.name, SECOND_YIELD)


class AsyncGeneratorManager(Wrapped):
    """The same for an asynchronous generator."""

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Run to the `yield`."""
        self.inner = self._make()
        return _first_of, (self.inner,)

    async def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> None:
        """Run from the `yield` to the end."""
        self._once()
        error = self._to_throw(outcome)
        trace = None if error is None else error.__traceback__
        try:
            if error is None:
                await self.inner.asend(outcome)
            else:
                await self.inner.athrow(error)
        except StopAsyncIteration as ended:
            if ended is not error:
                return
        except BaseException as raised:
            if error is None or not is_same(raised, error):
                self._error = raised
                raise
            return
        finally:
            if error is not None:
                error.__traceback__ = trace
        await self.inner.aclose()
        raise ManagerError(self.name, SECOND_YIELD)


async def _first_of(generator: Any) -> Any:
    return await anext(generator)


class DecoratedManager(Wrapped):
    """A generator function behind a decorator: only what it gives shows which kind of manager it is."""

    kind: Wrapped | None = None

    def renew(self) -> None:
        """Take the newest definition, also of a factory that has been called already."""
        super().renew()
        renew = getattr(self._make.func, "renew", None)
        if callable(renew):
            renew()

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Call it, and begin with what it has given."""
        made = self._make()
        wrapper = wrapper_of(made) or ContextManager
        self.kind = wrapper(functools.partial(_same, made))
        self.kind.called = self.name
        return self.kind.begin()

    def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> Any:
        """Clean up as that kind does."""
        return None if self.kind is None else self.kind.cleanup(resource, outcome)


def wrapper_of(made: object) -> type[Wrapped] | None:
    """Return what wraps a generator or a context manager; None if it is neither."""
    if inspect.isgenerator(made):
        return GeneratorManager
    if inspect.isasyncgen(made):
        return AsyncGeneratorManager
    return ContextManager if is_context_manager(type(made)) else None


def _same(made: Any) -> Any:
    return made


class ContextManager(Wrapped):
    """A context manager, asynchronous or not; its exit is told the first error of the block's tasks."""

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Enter it."""
        self.inner = self._make()
        kind = type(self.inner)
        if hasattr(kind, "__enter__"):
            return kind.__enter__, (self.inner,)
        return _enter, (self.inner,)

    def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> Any:
        """Leave it."""
        error = None if outcome is None else outcome.error
        if error is None and awaits_errors(getattr(self.inner, "gen", None)):  # of contextlib's
            error = None if outcome is None else error_of(outcome, self.name)
        told = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        kind = type(self.inner)
        if hasattr(kind, "__exit__"):
            kind.__exit__(self.inner, *told)
            return None
        return _leave(self.inner, told)


async def _enter(manager: Any) -> Any:
    return await type(manager).__aenter__(manager)


async def _leave(manager: Any, told: tuple[Any, Any, Any]) -> None:
    await type(manager).__aexit__(manager, *told)


def is_context_manager(cls: type) -> bool:
    """Tell whether the objects of a class are context managers, and not managers that can be entered as well."""
    if _cleans_up_a_resource(cls):
        return False
    return (hasattr(cls, "__enter__") and hasattr(cls, "__exit__")) or (
        hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__")
    )


def _cleans_up_a_resource(cls: type) -> bool:
    """Tell whether `cleanup` takes the resource; that of `tempfile.TemporaryDirectory`, for one, does not."""
    cleanup = getattr(cls, "cleanup", None)
    if not callable(cleanup) or not (hasattr(cls, "__exit__") or hasattr(cls, "__aexit__")):
        return callable(cleanup)
    try:
        inspect.signature(cleanup).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # not written in Python
        return True
    return True
