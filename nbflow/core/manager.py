"""Managers, of all kinds: a class with `cleanup`, a generator function, anything that makes context managers.

Whatever the user decorates, the engine meets an object with `cleanup` and perhaps `setup`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.redefinition import newest
from nbflow.core.wrapped import (
    AsyncGeneratorManager,
    ContextManager,
    DecoratedManager,
    GeneratorManager,
    Wrapped,
    is_context_manager,
    wrapper_of,
)
from nbflow.errors import CleanupSignatureError, ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable


DEFERRED = "_deferred"
ONLY_A_CONTEXT_MANAGER = "it is a context manager; use nbflow.resources.managed for what gives one"
_numbers = itertools.count()
Deferred = tuple[int, "Callable[..., Any]", tuple[Any, ...], dict[str, Any]]


def check_manager(manager: object, name: str) -> None:
    """Refuse a manager, or the class of one, that could not clean up what it sets up.

    Raises:
        ManagerError: If it has no callable `cleanup`.
        CleanupSignatureError: If that cannot be called with what it will get.
    """
    cleanup = getattr(manager, "cleanup", None)
    if not callable(cleanup):
        if isinstance(cleanup, property):  # only an instance of the class can tell
            return
        raise ManagerError(name)
    try:
        # As it stands there, not as what it wraps: a decorator may add arguments of its own.
        signature = inspect.signature(cleanup, follow_wrapped=False)
    except (TypeError, ValueError):  # not written in Python
        return
    more = {"outcome": None} if takes_outcome(cleanup) else {}
    try:
        signature.bind(*((None, None) if _lacks_self(manager) else (None,)), **more)
    except TypeError as error:
        raise CleanupSignatureError(
            name,
            f"`cleanup{signature}` can not be called with the resource{' and the outcome' if more else ''} "
            f"({error}); write `def cleanup(self, resource)` or `def cleanup(self, resource, outcome)`",
        ) from error


def _lacks_self(manager: object) -> bool:
    """Tell whether `cleanup` was taken from a class, which has not bound it to anything."""
    if not isinstance(manager, type):
        return False
    found = inspect.getattr_static(manager, "cleanup", None)
    return hasattr(type(found), "__get__") and not isinstance(found, (staticmethod, classmethod))


def maker_of(resource_class: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes the managers that the engine calls: the class itself, or one that wraps what it gives."""
    if isinstance(resource_class, type):
        if is_context_manager(resource_class):
            return _wrapping(resource_class, ContextManager)
        _give_defer(resource_class)
        return resource_class
    if inspect.isgeneratorfunction(resource_class):
        return _wrapping(resource_class, GeneratorManager)
    if inspect.isasyncgenfunction(resource_class):
        return _wrapping(resource_class, AsyncGeneratorManager)
    inner = inspect.unwrap(resource_class)
    if inner is not resource_class and (inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)):
        return _wrapping(resource_class, DecoratedManager)
    cls = _class_of(resource_class)
    if cls is not None and is_context_manager(cls):
        return _wrapping(resource_class, ContextManager)
    return _checked(resource_class)


def _class_of(factory: object) -> type | None:
    """Return the class that a factory is a partial call of, or None."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    return factory if isinstance(factory, type) else None


def _checked(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `factory` so that what it returns is checked before anything is set up with it."""
    cls = _class_of(factory)
    if cls is not None:
        check_manager(cls, cls.__name__)

    def make(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _placed(make, args, kwargs)
        manager = factory(*args, **kwargs)
        kind = type(manager)
        wrapper = wrapper_of(manager)
        if wrapper is ContextManager:
            raise ManagerError(kind.__name__, ONLY_A_CONTEXT_MANAGER)
        if wrapper is not None:
            return DecoratedManager(functools.partial(_Again(manager, factory), *args, **kwargs))
        check_manager(manager, kind.__name__)
        _give_defer(kind)
        return manager

    functools.update_wrapper(make, factory, updated=())
    if cls is None or hasattr(cls, "setup"):
        make.setup = None  # type: ignore[attr-defined]  # what it makes may have one
    if cls is None:
        make.is_factory = True  # type: ignore[attr-defined]
    make.__signature__ = inspect.signature(factory)  # type: ignore[attr-defined]
    return make


def _placed(
    make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments that came by name in their places, where the function has ``*args``, as many decorators have."""
    signature: inspect.Signature = make.__signature__  # type: ignore[attr-defined]
    parameters = signature.parameters.values()
    some = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), None)
    if args or some is None or some not in kwargs:
        return args, kwargs
    before = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    kwargs = dict(kwargs)
    rest = kwargs.pop(some)
    return (*(kwargs.pop(name) for name in before if name in kwargs), *rest), kwargs


class _Again:
    """Gives what a factory has made already, and at another try of the setup makes a new one."""

    def __init__(self, made: object, factory: Callable[..., Any]) -> None:
        self._made = [made]
        self._factory = factory
        self.__name__ = getattr(factory, "__name__", type(factory).__name__)

    def renew(self) -> None:
        """Take the newest definition of the factory."""
        factory = newest(self._factory)
        if factory is not self._factory:
            self._made, self._factory = [], factory

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._made.pop() if self._made else self._factory(*args, **kwargs)


def is_factory(maker: object) -> bool:
    """Tell whether only what `maker` gives shows if it has a `setup`."""
    return not isinstance(maker, type) and getattr(maker, "is_factory", False) is True


def has_setup(manager: object) -> bool:
    """Tell whether a manager has a `setup`."""
    try:
        return callable(getattr(manager, "setup", None))
    except BaseException:  # noqa: BLE001 - users' `__getattr__`
        return is_declared(manager, "setup")


def _wrapping(make: Callable[..., Any], wrapper: type[Wrapped]) -> Callable[..., Any]:
    """Return a callable with the arguments of `make`, and with `setup`, as the decorator looks for one."""

    @functools.wraps(make, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _placed(wrapped, args, kwargs)
        return wrapper(functools.partial(make, *args, **kwargs))

    wrapped.setup = wrapper.setup  # type: ignore[attr-defined]
    wrapped.__signature__ = inspect.signature(make)  # type: ignore[attr-defined]
    return wrapped


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
    with contextlib.suppress(Exception):  # it has no `__dict__`, so nothing is in there; or it raises when asked
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
