"""The errors of calls that other processes make."""

from __future__ import annotations

from nbflow.errors import NbflowError, carries


@carries
class CannotTravelError(NbflowError, TypeError):
    """Something that a task needs cannot be sent to the process that is to call it."""

    task_name: str
    part: str
    type_name: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"task {self.task_name!r} cannot run in another process: {self.part}, a {self.type_name}, cannot be "
            f"pickled{why}; make it inside of the task, or run the flow with executor='threads'"
        )


@carries
class ManagerCannotTravelError(NbflowError, TypeError):
    """The manager of a block cannot be sent to the processes that are to open its resource."""

    block_name: str
    part: str
    type_name: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"block {self.block_name!r} cannot be opened in worker processes: {self.part}, a {self.type_name}, cannot "
            f"be pickled{why}; make it inside of the manager, or give the manager scope='run'"
        )


@carries
class CannotReturnError(NbflowError, TypeError):
    """What a task gave in another process cannot be sent back."""

    task_name: str
    type_name: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"task {self.task_name!r} gave a {self.type_name} in another process, which cannot be pickled{why}; "
            "return what can be, or run the flow with executor='threads'"
        )


@carries
class UnreadableCallError(NbflowError, RuntimeError):
    """A process could not read what it was to call: a module that it does not find, say."""

    task_name: str
    worker: str
    reason: str

    def __str__(self) -> str:
        return f"{self.worker} could not read task {self.task_name!r}: {self.reason}"


@carries
class RemoteError(NbflowError, RuntimeError):
    """Stands for an error of a task in another process that cannot be made again here."""

    type_name: str
    text: str

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"


@carries
class StuckWorkerError(NbflowError, TimeoutError):
    """A worker process did not end a cleanup, or the setup before it, in time."""

    worker: str
    block_name: str
    is_ended: bool = True  # whether the worker was ended; one of a cluster of somebody else's is not

    def __str__(self) -> str:
        if self.is_ended:
            return (
                f"{self.worker} did not end the cleanup of {self.block_name!r} in time, and was ended: it may be left"
            )
        return (
            f"{self.worker} did not end the setup or the cleanup of {self.block_name!r} in time: it may be left, and "
            "that may go on there"
        )


@carries
class WorkerDiedError(NbflowError, RuntimeError):
    """The process in which a task ran has ended, or was ended."""

    task_name: str
    worker: str
    how: str

    def __str__(self) -> str:
        return (
            f"{self.worker} {self.how} while it ran task {self.task_name!r}; if the tasks need more memory than there "
            "is, use fewer workers, and if a library crashes, executor='inline' shows where"
        )


@carries
class UnfitWorkersError(NbflowError, RuntimeError):
    """Workers of a cluster could not read what the kernel sends."""

    worker: str
    what: str
    here: str
    count: int

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return (
            f"worker {self.worker} {self.what}{more}, but the kernel has {self.here}: install the same versions where "
            "the workers run, then start them again"
        )


@carries
class ClusterLostError(NbflowError, ConnectionError):
    """The cluster on which a task ran cannot be reached any more."""

    task_name: str
    reason: str
    _text = "task {self.task_name!r} was on a Dask cluster that is lost: {self.reason}"
