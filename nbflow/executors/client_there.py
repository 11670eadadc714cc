"""A Dask client on its way to another process: its address travels, and the task gets a client of its own there."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.executors.dask.sent_references import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.attempt import Call

_HERE = "inproc://"  # of a scheduler that nobody reaches from another process


class ClientAddress:
    """Stands for a client.

    Args:
        address: Of the scheduler to which it is connected.
        security: What it says to be let in.
    """

    is_seen = False  # in this process, so that calls need not be looked through where there is none

    def __init__(self, address: str, security: Any) -> None:
        self.address, self.security = address, security
        ClientAddress.is_seen = True


_KINDS = frozenset({ClientAddress})


def reduced(client: Any) -> Any:
    """Return how a client is pickled; None: it is none, or its scheduler cannot be reached from elsewhere."""
    distributed = sys.modules.get("distributed")
    if distributed is None or not isinstance(client, distributed.Client) or client.scheduler is None:
        return None
    address = client.scheduler.address
    return None if address.startswith(_HERE) else (ClientAddress, (address, client.security))


@contextmanager
def clients_there(call: Call) -> Iterator[None]:
    """Give a call clients of its own for those that have travelled, for the time of a `with` block."""
    with ExitStack() as stack:
        if ClientAddress.is_seen:
            known: dict[str, Any] = {}

            def open_one(one: ClientAddress) -> Any:
                if one.address not in known:
                    from distributed import Client

                    client = Client(one.address, security=one.security, set_as_default=False)
                    known[one.address] = stack.enter_context(client)
                    stack.enter_context(client.as_current())
                return known[one.address]

            call.inputs = {name: replaced(value, _KINDS, open_one) for name, value in call.inputs.items()}
        yield
