"""A database connection as a resource: one transaction for a block."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nbflow.errors import OptionTypeError
from nbflow.resources.varargs import VarargsManager, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.block_outcome import BlockOutcome


@functools.partial(VarargsManager, cleanup_failure="fail")
class Database:
    """A connection whose changes are committed if all tasks of the block do well, and rolled back if not.

    The resource is what `connect` returned, as in Python's database interface (DB-API 2: sqlite3, psycopg, pymysql,
    oracledb and so on). When a task of the block fails or is cancelled, what the others have changed is rolled back
    too. Then the connection is closed. If the commit itself fails, the changes are rolled back, the connection is
    closed, and the cleanup and with it the flow fail with that error.

    There is nothing to reclaim: a connection ends with the kernel, and the server rolls back.

    With the executor "threads" the tasks may run on several threads. For sqlite3 give `check_same_thread=False` then.

    Args:
        connect: The function that connects.
        *args: Its arguments; they may be tasks and parameters.
        commit: Whether to commit at all; if not, everything is rolled back at the end (a trial run).
        **kwargs: Its keyword arguments.

    Raises:
        OptionTypeError: If `connect` cannot be called.

    Example::

        with Flow("accounts") as flow:
            with Database(sqlite3.connect, "accounts.db") as connection:
                book(connection, amount)
    """

    def __init__(self, connect: Callable[..., Any], *args: Any, commit: bool = True, **kwargs: Any) -> None:
        if not callable(connect):
            raise OptionTypeError(
                f"connect={connect!r} can not be called; give the function that connects, as sqlite3.connect"
            )
        placed, self._kwargs = split(kwargs)
        self._args = (*args, *placed)
        self._connect = connect
        self._commits = commit
        self._is_closed = False

    def setup(self) -> Any:
        """Connect."""
        return self._connect(*self._args, **self._kwargs)

    def cleanup(self, connection: Any, outcome: BlockOutcome | None = None) -> None:
        """Commit or roll back, then close; of several errors the first is raised, with the others as notes."""
        if self._is_closed:  # the end of the transaction failed before, and cannot be had again
            return
        is_good = self._commits and outcome is not None and outcome.is_successful
        errors: list[Exception] = []
        if not (is_good and _done(connection.commit, errors)):
            _done(getattr(connection, "rollback", None), errors)  # which is optional in the interface
        self._is_closed = _done(connection.close, errors)
        if errors:
            first, *others = errors
            for other in others:
                first.add_note(f"and then: {type(other).__name__}: {other}")
            raise first


def _done(call: Callable[[], object] | None, errors: list[Exception]) -> bool:
    try:
        if call is not None:
            call()
    except Exception as error:  # noqa: BLE001 - what is left of the cleanup has its turn all the same
        errors.append(error)
        return False
    return True
