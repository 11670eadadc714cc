"""Any executor of `concurrent.futures` as the place where tasks run."""

from __future__ import annotations

import functools
import os
from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import Call, perform_on_worker
from nbflow.executors.errors import WorkerDiedError
from nbflow.executors.remote_call import served
from nbflow.executors.shipment import Shipper, show, take_in
from nbflow.executors.threads import ThreadSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.attempt import Outcome
    from nbflow.engine.executor import Report
    from nbflow.executors.threads import Lane

_LOOK_S = 0.05  # until the thread that waits looks whether its call is to stop


class PoolExecutor:
    """Run tasks on an executor of `concurrent.futures`, or one that behaves like those; it stays the user's.

    ``flow.run(executor=pool)`` makes one. On a pool of threads the tasks share the kernel's memory, on any other what
    the notebook defines travels with them. What a task prints on such a pool is shown when it is over. A task that runs
    there cannot be stopped from outside: it may look at ``nbflow.context.cancelled()`` on threads only.

    Args:
        pool: The executor.
        max_workers: How many tasks it is given at once; by default as many as it has workers.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(3) as pool:
        ...     PoolExecutor(pool).capacity
        3
    """

    serial = False

    def __init__(self, pool: futures.Executor, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1, got {max_workers!r}")
        self.pool = pool
        self.capacity: int = max_workers or getattr(pool, "_max_workers", None) or os.cpu_count() or 1

    def __repr__(self) -> str:
        return f"<PoolExecutor: {self.capacity}, {type(self.pool).__name__}>"

    def open(self, report: Report, *, name: str) -> PoolSession:
        """Begin to serve a run."""
        return PoolSession(report, name, self.pool)


class PoolSession(ThreadSession):
    """The calls of one run on a pool, each with a thread here that waits for it; see `ProcessSession`."""

    def __init__(self, report: Report, name: str, pool: futures.Executor) -> None:
        super().__init__(report, name=name, serial=False)
        self._pool, self._shipper = pool, Shipper()

    @contextmanager
    def _hand(self, lane: Lane) -> Iterator[Callable[[Call], Outcome]]:
        yield perform_on_worker if lane is not self._tasks else self._perform

    def _perform(self, call: Call) -> Outcome:
        has_own_memory = isinstance(self._pool, getattr(futures, "InterpreterPoolExecutor", ()))  # from Python 3.14 on
        if isinstance(self._pool, futures.ThreadPoolExecutor) and not has_own_memory:
            call.fn = functools.partial(self._share, call, call.fn)
        else:
            call.fn = functools.partial(self._send, call, call.fn)
        return perform_on_worker(call)

    def _send(self, call: Call, function: Callable[..., Any], **_: Any) -> Any:
        parts = [bytes(part) for part in self._shipper.ship(call, function)]
        said, returned = self._wait(call, served, parts)
        for stream, text in said:
            show(stream, text)
        return take_in(call, [returned[0], *map(bytearray, returned[1:])])

    def _share(self, call: Call, function: Callable[..., Any], **_: Any) -> Any:
        """Have a call made by a thread of the pool, which is busy with it as one of ours would be."""
        inner = Call(call.node, call.task, function, call.inputs, lambda _node, _task: call.context)
        outcome: Outcome = self._wait(call, perform_on_worker, inner, inner)
        call.files = inner.files
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def _wait(self, call: Call, function: Callable[..., Any], argument: Any, inner: Call | None = None) -> Any:
        try:
            future = self._pool.submit(function, argument)
            call.remote = remote = _Waiting(inner)
            while not futures.wait([future], _LOOK_S).done:
                if call.stop_requested and inner is not None:
                    inner.stop_requested = True
                if remote.error is not None and future.cancel():  # it has not begun
                    raise remote.error
            return future.result()
        except (futures.BrokenExecutor, futures.CancelledError) as error:
            raise WorkerDiedError(call.task.name, "the pool", f"was broken ({error})") from error
        finally:
            call.remote = None


class _Waiting:
    """A call that is in the hands of a pool."""

    def __init__(self, inner: Call | None) -> None:
        self.error: type[BaseException] | None = None
        self._inner = inner

    def hit(self, error: type[BaseException]) -> None:
        """Keep the call from beginning, or have `error` raised in its thread."""
        self.error = error
        if self._inner is not None:
            self._inner.hit(error)
