"""What travels between the kernel and another process: calls of tasks, and what came of them.

Functions and classes of a notebook travel by value (cloudpickle), those of modules by name. Arrays travel as they are,
beside the pickle (protocol 5, PEP 574), so that nobody holds a further copy of them.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections import ChainMap
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.data.value_type import identity, type_name
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.error_text import error_text
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.remote_value import Expected, arrived
from nbflow.executors.client_there import reduced
from nbflow.executors.errors import CannotTravelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from multiprocessing.connection import Connection

    from nbflow.engine.attempt import Call

_LARGEST_PART = 2**30  # of what one write takes, in bytes
_LARGE = 2**16
_KIND = 8  # characters
_SIZES = b"+"


class Shipped(NamedTuple):
    """An attempt of a task, as another process needs it.

    Attributes:
        task: The task's name.
        files: What it says of the files that it opens: see `Task`.
        function: What to call, or where to find it: module and name.
        inputs: Its arguments.
        context: What `nbflow.context` knows in this one beside what it knows in all tasks of the run.
        draws: The states of the global generators of random numbers that the task may draw on; None for one that is not
            loaded yet where it comes from.
        expects: The numbers of the calls of its bundle that it goes after, and which arguments have their values.
    """

    task: str
    files: Any
    function: Any
    inputs: dict[str, Any]
    context: dict[str, Any]
    draws: dict[str, Any]
    expects: Mapping[int, Sequence[str]] = {}


class Raised(NamedTuple):
    """An error that travels, with its traceback and what led to it.

    Attributes:
        error: The error, or its class.
        args: With a class: the arguments of the error, which its class would not take once more.
        members: With a class: its attributes.
        trace: Its traceback, as tblib writes it.
        cause, context: The errors that led to it.
        is_from: Whether it was raised ``from`` its cause, or from None.
    """

    error: Any
    args: tuple[Any, ...] | None
    members: dict[str, Any]
    trace: Any
    cause: Raised | None
    context: Raised | None
    is_from: bool


class Returned(NamedTuple):
    """What came of an attempt in another process.

    Attributes:
        value: What the task returned.
        raised: What it raised.
        files: What files it opened.
        draws: The states in which it left the generators.
        began_at: When it began, in seconds since the epoch.
        ended_at: When it ended.
    """

    value: Any = None
    raised: Raised | None = None
    files: Any = None
    draws: Mapping[str, Any] = {}
    began_at: float | None = None
    ended_at: float | None = None


def shipped_from(parts: tuple[Any, ...]) -> Shipped:
    """Return a call that has come with others; its arguments may be pickled by themselves."""
    if type(parts[3]) is list:
        parts = *parts[:3], unpacked(parts[3]), *parts[4:]
    return Shipped(*parts)


def packed(value: Any) -> list[Any]:
    """Return a value as bytes: its pickle, and then the buffers that lie beside it."""
    buffers: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    try:
        _pickler_class()(head, protocol=5, buffer_callback=buffers.append).dump(value)
    except (Exception, KeyboardInterrupt, TaskCancelled):
        raise
    except BaseException as error:
        raise _as_exception(error) from error
    return [head.getvalue(), *(buffer.raw() for buffer in buffers)]


@functools.cache
def _pickler_class() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Sends no open file: cloudpickle would send its text, so that each process reads on by itself."""

        dispatch_table = ChainMap({io.TextIOWrapper: _refuse_file}, cloudpickle.Pickler.dispatch_table)

        def reducer_override(self, obj: Any) -> Any:
            # As each class says, also where tblib has a say for all (in processes that have loaded distributed): it
            # makes errors again without calling their class, and the code of a SystemExit is lost.
            if isinstance(obj, BaseException):
                return obj.__reduce_ex__(5)
            as_client = reduced(obj)
            if as_client is not None:
                return as_client
            return super().reducer_override(obj)

    return Pickler


def _refuse_file(file: io.TextIOWrapper) -> Any:
    for name in ("stdout", "stderr"):
        if file is getattr(sys, name):
            return getattr, (sys, name)
    raise pickle.PicklingError("it is an open file: send its path")


def unpacked(parts: Iterable[Any]) -> Any:
    """Return the value that `packed` was given."""
    head, *buffers = parts
    try:
        return pickle.loads(head, buffers=buffers)
    except (Exception, KeyboardInterrupt, TaskCancelled):
        raise
    except BaseException as error:
        raise _as_exception(error) from error


def _as_exception(error: BaseException) -> pickle.PicklingError:
    """Return an exception for whatever a user's object raised when it was pickled: a panic ends no run (rule 17)."""
    return pickle.PicklingError(f"it raised {type_name(error)}: {error_text(error)}")


class _Reply(pickle.Unpickler):
    """Leaves the classes of here as they are.

    cloudpickle would give a class of the notebook the members of the copy that the other process had of it: methods
    that look names up over there, and what was changed there.
    """

    def __init__(self, head: Any, buffers: list[Any]) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._ours: set[int] = set()

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module == "cloudpickle.cloudpickle":
            if name in ("_make_skeleton_class", "_make_skeleton_enum"):
                return functools.partial(self._made, found)
            if name == "_class_setstate":
                return lambda cls, state: cls if id(cls) in self._ours else found(cls, state)
        return found

    def _made(self, make: Any, *args: Any) -> Any:
        from cloudpickle import cloudpickle

        known = {id(cls) for cls in list(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.values())}
        cls = make(*args)
        if id(cls) in known:
            self._ours.add(id(cls))
        return cls


def unpacked_here(parts: Iterable[Any]) -> Any:
    """Return the value that `packed` was given in another process."""
    head, *buffers = parts
    try:
        return _Reply(head, buffers).load()
    except (Exception, KeyboardInterrupt, TaskCancelled):
        raise
    except BaseException as error:
        raise _as_exception(error) from error


def send(connection: Connection, kind: str, parts: list[Any]) -> None:
    """Send a message: its kind, and its first part or, if there are more or it is large, the sizes of all before them.

    Most messages are small, and one write each.
    """
    if not parts or (len(parts) == 1 and len(parts[0]) < _LARGE):
        connection.send_bytes(b"".join((kind.encode().ljust(_KIND), *parts)))
        return
    sizes = pickle.dumps([memoryview(part).nbytes for part in parts])
    connection.send_bytes(_SIZES + kind.encode().ljust(_KIND) + sizes)
    for part in parts:
        view = memoryview(part).cast("B") if len(part) else memoryview(b"")
        for start in range(0, len(view), _LARGEST_PART):
            connection.send_bytes(view[start : start + _LARGEST_PART])


def receive(connection: Connection) -> tuple[str, list[Any]]:
    """Receive a message that `send` has sent; EOFError or OSError if the other side is gone."""
    message = connection.recv_bytes()
    if message[:1] != _SIZES:
        return message[:_KIND].rstrip().decode(), [memoryview(message)[_KIND:]]
    kind, parts = message[1 : 1 + _KIND].rstrip().decode(), []
    for size in pickle.loads(message[1 + _KIND :]):
        part = bytearray(size)  # filled in place: there is no second copy of an array
        start = 0
        while start < size:
            start += connection.recv_bytes_into(part, start)
        parts.append(part)
    return kind, parts


def address_of(function: Any) -> Any:
    """Return where another process finds a function: the module and the name of its task; itself, if nowhere.

    ``@task`` leaves a task under the name of its function, so cloudpickle would ship the function by value.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if type(module) is str and type(name) is str and module != "__main__":
        found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        if found is not None and getattr(found, "run", None) is function:
            return module, name
    return function


def check_parts(call: Call, function: Any, cause: Exception) -> CannotTravelError:
    """Return the error that names what of a call cannot travel."""
    is_cell = not hasattr(function, "__code__") and hasattr(function, "namespace")
    names = function.read if is_cell else getattr(getattr(function, "__code__", None), "co_names", ())
    space = function.namespace if is_cell else getattr(function, "__globals__", {})
    held = {f"argument {key!r}": arrived(value) for key, value in call.inputs.items()}
    held |= {f"{name!r}, which it reads": space[name] for name in names if name in space}
    for part, value in held.items():
        if identity(type(value)) in ATOMS or type(value) is Expected:
            continue
        try:
            packed(value)
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises when it is pickled
            return CannotTravelError(call.task.name, part, type_name(value), str(error))
    return CannotTravelError(call.task.name, "its function", type_name(function), str(cause))
