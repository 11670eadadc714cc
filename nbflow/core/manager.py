"""What may be a manager: a class with `cleanup`, a generator function, anything that makes context managers.

Whatever the user decorates, the engine meets an object with `cleanup` and perhaps `setup`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.definitions import newest
from nbflow.errors import ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.outcome import BlockOutcome

DEFERRED = "_deferred"
ONLY_A_CONTEXT_MANAGER = "it is a context manager; use nbflow.resources.managed for what gives one"
SECOND_YIELD = "it yields a second time; what comes after the one `yield` cleans up"
_numbers = itertools.count()
Deferred = tuple[int, "Callable[..., Any]", tuple[Any, ...], dict[str, Any]]


def check_manager(manager: object, name: str) -> None:
    """Refuse a manager, or the class of one, that could not clean up what it sets up.

    Raises:
        ManagerError: If it has no callable `cleanup`.
    """
    if not callable(getattr(manager, "cleanup", None)):
        raise ManagerError(name)


def maker_of(resource_class: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes the managers that the engine calls: the class itself, or one that wraps what it gives."""
    if isinstance(resource_class, type):
        if _is_context_manager(resource_class):
            return _wrapping(resource_class, ContextManager)
        _give_defer(resource_class)
        return resource_class
    if inspect.isgeneratorfunction(resource_class):
        return _wrapping(resource_class, GeneratorManager)
    if inspect.isasyncgenfunction(resource_class):
        return _wrapping(resource_class, AsyncGeneratorManager)
    inner = inspect.unwrap(resource_class)
    if inner is not resource_class and (
        inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
    ):
        return _wrapping(resource_class, ContextManager)  # by `contextlib.contextmanager`, or in its way
    return _checked(resource_class)


def _checked(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `factory` so that what it returns is checked before anything is set up with it."""

    @functools.wraps(factory, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        manager = factory(*args, **kwargs)
        kind = type(manager)
        if _is_context_manager(kind):
            raise ManagerError(kind.__name__, ONLY_A_CONTEXT_MANAGER)
        check_manager(manager, kind.__name__)
        _give_defer(kind)
        return manager

    if hasattr(factory, "setup"):
        make.setup = factory.setup  # type: ignore[attr-defined]
    make.__signature__ = inspect.signature(factory)  # type: ignore[attr-defined]
    return make


def _is_context_manager(cls: type) -> bool:
    if _cleans_up_a_resource(cls):
        return False
    return (hasattr(cls, "__enter__") and hasattr(cls, "__exit__")) or (
        hasattr(cls, "__aenter__") and hasattr(cls, "__aexit__")
    )


def _cleans_up_a_resource(cls: type) -> bool:
    """Whether `cleanup` takes the resource; that of `tempfile.TemporaryDirectory`, for one, does not."""
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


def _wrapping(make: Callable[..., Any], wrapper: type[Wrapped]) -> Callable[..., Any]:
    """Return a callable with the arguments of `make`, and with `setup`, as the decorator looks for one."""

    @functools.wraps(make, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(functools.partial(make, *args, **kwargs))

    wrapped.setup = wrapper.setup  # type: ignore[attr-defined]
    wrapped.__signature__ = inspect.signature(make)  # type: ignore[attr-defined]
    return wrapped


class Wrapped:
    """A manager made of something that has a protocol of its own; `make` gives a fresh one for each setup."""

    def __init__(self, make: functools.partial[Any]) -> None:
        self._make = make
        self._error: BaseException | None = None
        self.inner: Any = None

    @property
    def name(self) -> str:
        """What the user called it."""
        return str(getattr(self._make.func, "__name__", "manager"))

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

    def _once(self) -> None:
        if self._error is not None:  # it is used up: what was not cleaned at the first try stays
            raise self._error


class GeneratorManager(Wrapped):
    """A generator that yields the resource and goes on behind the `yield` to clean up; it is sent the outcome."""

    def begin(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Run to the `yield`."""
        self.inner = self._make()
        return next, (self.inner,)

    def cleanup(self, resource: Any, outcome: BlockOutcome | None = None) -> None:
        """Run from the `yield` to the end."""
        self._once()
        try:
            self.inner.send(outcome)
        except StopIteration:
            return
        except BaseException as error:
            self._error = error
            raise
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
        try:
            await self.inner.asend(outcome)
        except StopAsyncIteration:
            return
        except BaseException as error:
            self._error = error
            raise
        await self.inner.aclose()
        raise ManagerError(self.name, SECOND_YIELD)


async def _first_of(generator: Any) -> Any:
    return await anext(generator)


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


def is_declared(manager: object, name: str) -> bool:
    """Tell whether a manager's class has an attribute, without asking the manager, which may raise."""
    return any(name in vars(cls) for cls in type(manager).__mro__)


def takes_outcome(method: object) -> bool:
    """Tell whether a method of a manager has a parameter `outcome`; one that raises when it is looked at has none."""
    try:
        fn = getattr(method, "__func__", method)
        try:
            return _has_outcome(fn)
        except TypeError:  # something callable that does not hash
            return _has_outcome.__wrapped__(fn)
    except Exception:  # noqa: BLE001 - users' objects
        return False


@functools.lru_cache(maxsize=256)
def _has_outcome(fn: Any) -> bool:
    try:
        return "outcome" in inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return False


# -- half a setup ---------------------------------------------------------------------------------------------


def defer(self: object, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Have `fn(*args, **kwargs)` called if the setup that is going on fails; in reverse order, last in first out.

    When the setup succeeds it is forgotten: from then on `cleanup` is responsible.
    """
    entry: Deferred = (next(_numbers), fn, args, kwargs)
    values = thread.data
    if "_cancel_flag" not in values:  # a thread that setup has started: it has no context of the run
        values = vars(self)
    values.setdefault(DEFERRED, []).append(entry)


def _give_defer(cls: type) -> None:
    if hasattr(cls, "cleanup") and not hasattr(cls, "defer"):
        try:
            cls.defer = defer  # type: ignore[attr-defined]
        except TypeError:  # a class that is not written in Python keeps what it has
            return


def take_deferred(manager: object, values: dict[str, Any]) -> list[Deferred]:
    """Return what was deferred since the last time, in order; nothing of it is kept."""
    found: list[Deferred] = values.pop(DEFERRED, [])
    with contextlib.suppress(
        Exception
    ):  # it has no `__dict__`, so nothing is in there; or it raises when asked
        found += vars(manager).pop(DEFERRED, [])
    return sorted(found, key=lambda entry: entry[0])


def undo(deferred: list[Deferred], failed: list[tuple[Deferred, BaseException]]) -> None:
    """Empty `deferred` from its end, calling each whatever the others did; `failed` gets those that raised."""
    while deferred:
        entry = deferred.pop()
        _, fn, args, kwargs = entry
        try:
            fn(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the others have their turn all the same
            failed.append((entry, error))
