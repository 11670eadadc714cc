"""The flow that `%flow reset` forgot last, which `%flow undo` brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.flow import newest
from nbflow.notebook.shell.lookup import forget_flow
from nbflow.registry import flows

if TYPE_CHECKING:
    from nbflow.flow import Flow


class ForgottenFlow:
    """Keeps one flow only: the values of its runs stay in memory for as long as it can be brought back."""

    def __init__(self) -> None:
        self._flow: Flow | None = None

    def forget(self, flow: Flow) -> None:
        """Have a flow of this name no more, but keep it for `bring_back`."""
        # Kept alive, it would still be found as the newest of its name, and the next command would revive it.
        forget_flow(flow.name)
        self._flow = flow

    def has(self, name: str | None) -> bool:
        """Tell whether a flow can be brought back, if it is called so."""
        return self._flow is not None and name in (None, self._flow.name)

    def bring_back(self, name: str | None, magic: str) -> Flow:
        """Have the notebook know the flow again, and return it.

        Raises:
            UsageError: If none of this name was forgotten last, or one of this name has been made meanwhile.
        """
        flow = self._flow
        if flow is None or not self.has(name):
            which = "" if name is None else f" of flow {name!r}"
            raise UsageError(
                f"{magic}: there is no skip, set or reset{which} to undo; a skip or set can be undone until its run "
                "goes on, and of several resets the last one"
            )
        if flow.name in flows or newest.get(flow.name) is not None:
            raise UsageError(
                f"{magic}: a flow {flow.name!r} has been made since the reset; "
                f"%flow reset {flow.name} forgets that one, and then it is the one that can be brought back"
            )
        self._flow = None
        flows[flow.name] = newest[flow.name] = flow
        return flow


FORGOTTEN = ForgottenFlow()
