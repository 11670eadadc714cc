"""Any executor of `concurrent.futures` as the place where tasks run."""

from __future__ import annotations

import functools
import os
from concurrent import futures
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.attempt import Call, Outcome, outcome_of, perform_on_worker
from nbflow.executors.bundle_session import BundleSession
from nbflow.executors.errors import WorkerDiedError
from nbflow.executors.remote_call import served
from nbflow.executors.shipment import Shipper, show, take_in
from nbflow.executors.worker_orders import NoOrders

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.executor import Report
    from nbflow.executors.bundle import Bundle
    from nbflow.executors.worker_orders import CloseOrder

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

    def open(self, report: Report, *, name: str) -> BundleSession:
        """Begin to serve a run."""
        has_own_memory = isinstance(self.pool, getattr(futures, "InterpreterPoolExecutor", ()))  # from Python 3.14 on
        shares = isinstance(self.pool, futures.ThreadPoolExecutor) and not has_own_memory
        hand = ThreadPoolHand if shares else PoolHand
        orders = None if shares else NoOrders(type(self.pool).__name__)
        make_hand = functools.partial(hand, self.pool, Shipper())
        return BundleSession(report, name, self.capacity, make_hand, orders, takes_expected=not shares)


class PoolHand:
    """Has calls made by a pool whose workers have a memory of their own."""

    most = 2**31

    def __init__(self, pool: futures.Executor, shipper: Shipper) -> None:
        self._pool, self._shipper = pool, shipper

    def perform(self, bundle: Bundle) -> None:
        """Have calls made."""
        parts = [bytes(part) for part in self._shipper.ship(bundle)]
        if not bundle.left:
            return
        answers = self._wait(bundle, served, parts)
        if isinstance(answers, str):
            bundle.unread(f"a worker of the {type(self._pool).__name__}", answers)
            return
        for call, answer in zip(tuple(bundle.left), answers or (), strict=False):
            if call not in bundle.left:  # it has gone back with one that it expects
                continue
            if answer is None:
                bundle.passed_over(call)
                continue
            said, returned = answer
            before, thread.held = thread.held, call
            try:
                for stream, text in said:
                    show(stream, text)
                bundle.ended(call, Outcome(take_in(call, [returned[0], *map(bytearray, returned[1:])]), None))
            except BaseException as error:  # noqa: BLE001 - what the task has raised
                bundle.ended(call, outcome_of(call, error))
            finally:
                thread.held = before

    def carry_out(self, order: CloseOrder) -> None:
        """Do nothing: there is none."""

    def let_go(self) -> None:
        """Do nothing: the pool is the user's."""

    def kill(self) -> None:
        """Do nothing: the pool is the user's."""

    def _wait(self, bundle: Bundle, function: Callable[..., Any], argument: Any) -> Any:
        """Return what a function gives in the pool; None if the calls ended otherwise."""
        name = f"a worker of the {type(self._pool).__name__}"
        try:
            future = self._pool.submit(function, argument)
            bundle.begun(name)
            while not futures.wait([future], _LOOK_S).done:
                self._look(bundle, argument)
                if (bundle.is_stopped or bundle.is_recalled) and future.cancel():
                    return None  # none has begun
            return future.result()
        except (futures.BrokenExecutor, futures.CancelledError) as error:
            cause = error

            def death(call: Call) -> Outcome:
                died = WorkerDiedError(call.task.name, "the pool", f"was broken ({cause})")
                died.__cause__ = cause
                return outcome_of(call, died)

            bundle.all_ended(death)
            return None

    def _look(self, bundle: Bundle, argument: Any) -> None:
        """Do nothing: nobody reaches what runs in another process of the pool."""


class ThreadPoolHand(PoolHand):
    """Has calls made by threads of a pool, as threads of ours would make them."""

    most = 1

    def perform(self, bundle: Bundle) -> None:
        """Have a call made."""
        call = bundle.left[0]
        inner = Call(call.node, call.task, call.fn, call.inputs, lambda _node, _task: call.context)
        outcome: Outcome | None = self._wait(bundle, perform_on_worker, inner)
        if outcome is not None:
            call.files, call.helpers = inner.files, inner.helpers
            bundle.ended(call, outcome)

    def _look(self, bundle: Bundle, argument: Call) -> None:
        call = bundle.left[0]
        if call.is_asked_to_stop():
            argument.stop_requested = True
        if call.hit_with is not None and argument.hit_with is None:
            argument.hit(call.hit_with)
