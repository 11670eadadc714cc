"""What travels to the cluster with a bundle: its calls as bytes, and the futures of the values to which they refer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from nbflow._version import __version__
from nbflow.core.data.value_traits import size_of
from nbflow.core.data.value_type import identity
from nbflow.engine.attempt import RECALLED, Outcome, outcome_of
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.remote_value import Expected, RemoteItem, RemoteValue, arrived
from nbflow.errors import ValueReleasedError
from nbflow.executors.dask.cluster_link import ClusterLink, ClusterValues
from nbflow.executors.dask.sent_references import REFERENCES, Earlier, OwnClient, Reference, replaced
from nbflow.executors.dask.worker_host import make_bundle
from nbflow.executors.handed_on import can_be_handed_on
from nbflow.executors.parcel import check_parts, packed
from nbflow.executors.shipment import apart, base_of, shipped_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.attempt import Call
    from nbflow.executors.dask.host_resources import Scope
    from nbflow.executors.dask.sent_bundle import SentBundle

_LARGE = 1_000_000  # bytes of a value, which is sent by itself then, once


class Sending:
    """Sends the calls of one run. Used by one thread, but for `forget_values`.

    Args:
        link: The cluster.
        sent_of: Returns the bundle in which a call is under way; None if it is not.
    """

    def __init__(self, link: ClusterLink, sent_of: Callable[[Call], SentBundle | None]) -> None:
        self._link, self._sent_of = link, sent_of
        self._base: Any = None
        self._kinds = frozenset({RemoteValue, RemoteItem, Expected, type(link.client)})
        self._large: dict[int, tuple[Any, Any]] = {}  # by identity, with the value, so that nothing takes its place

    def forget_values(self) -> None:
        """Send large values once more when they are needed: something in the kernel may have changed them."""
        self._large = {}

    def ship(self, calls: Sequence[Call]) -> tuple[list[tuple[Call, Outcome]], Parcel | None]:
        """Return the calls of a bundle, ready to travel; those that cannot, with what comes of them."""
        parcel = Parcel()
        refused: list[tuple[Call, Outcome]] = []
        for call in calls:
            try:
                self._add(parcel, call, is_alone=len(calls) == 1)
            except _Forlorn:
                refused.append((call, RECALLED))
            except Exception as error:  # noqa: BLE001 - a value that is gone; whatever it raises when it is read
                refused.append((call, outcome_of(call, error)))
        if not parcel.calls:
            return refused, None
        try:
            parcel.parts = [bytes(part) for part in packed(parcel.shipped)]
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises when it is pickled
            unfit = {
                call: self._refusal(call, one, error) for call, one in zip(parcel.calls, parcel.shipped, strict=True)
            }
            bad = {call: why for call, why in unfit.items() if why is not None}
            if not bad:
                bad = {parcel.calls[0]: check_parts(parcel.calls[0], parcel.calls[0].fn, error)}
            refused += [(call, outcome_of(call, why)) for call, why in bad.items()]
            more, rest = self.ship([call for call in parcel.calls if call not in bad])
            return refused + more, rest
        return refused, parcel

    def submit(self, parcel: Parcel, number: int, name: str, scope: Scope | None) -> Any:
        """Give a bundle to Dask, with the `scope` of the resources that its calls may take; returns its future."""
        task, client = parcel.calls[0].task, self._link.client
        if self._base is None or self._base.status in ("lost", "cancelled"):
            base = base_of(parcel.calls[0].context)
            self._base = client.submit(_itself, base, key=f"nbflow-base-{uuid.uuid4().hex}", pure=False)
        more = f"+{len(parcel.calls) - 1}" if len(parcel.calls) > 1 else ""
        placement = task.placement
        options: dict[str, Any] = {"priority": placement.priority} if placement.priority else {}
        if placement.workers:
            options["workers"] = list(placement.workers)
        if placement.resources:
            options["resources"] = dict(placement.resources)
        return client.submit(
            make_bundle,
            self._link.topic,
            number,
            __version__,
            parcel.parts,
            self._base,
            parcel.futures,
            once=not task.rerun_if_lost,
            scope=scope,
            key=(f"{task.name}{more}-{name}", number),
            pure=False,
            **options,
        )

    def _add(self, parcel: Parcel, call: Call, *, is_alone: bool) -> None:
        tied: set[str] = set()
        expected: list[Call] = []
        inputs: dict[str, Any] = {}
        for name, value in call.inputs.items():
            if identity(type(value)) in ATOMS:
                inputs[name] = value
                continue

            def refer(one: Any, name: str = name) -> Any:
                found = self._refer(parcel, call, one, expected)
                if type(found) in REFERENCES:
                    tied.add(name)
                return found

            inputs[name] = sent = replaced(value, self._kinds, refer)
            if sent is value and (size_of(value) or 0) > _LARGE:
                inputs[name] = Reference(parcel.place_of(self._sent_alone(value)), -1)
                tied.add(name)
        after = [one for up in call.expects if (one := self._expect(parcel, up, expected)) is not None]
        task, files, function, _, context, draws = shipped_of(call, parcel.functions)
        parcel.places[call] = len(parcel.calls)
        parcel.calls.append(call)
        try:
            taken = inputs if is_alone else apart(call, inputs)
        except Exception as error:
            raise check_parts(call, call.fn, error) from error
        parcel.shipped.append(((task, files, function, taken, context, draws), frozenset(tied), after))
        if expected:
            parcel.expected[call] = expected

    def _expect(self, parcel: Parcel, upper: Call, expected: list[Call]) -> Any:
        """Return what refers to the value of a call that comes before another; None if it has ended well."""
        if upper in parcel.places:
            return Earlier(parcel.places[upper])
        if upper.returned is None:
            sent = self._sent_of(upper)
            if sent is None:
                raise _Forlorn
            expected.append(upper)
            return Reference(parcel.place_of(sent.values.future, sent.values), sent.calls.index(upper))
        if not can_be_handed_on(upper.returned):
            raise _Forlorn
        return None

    def _refer(self, parcel: Parcel, call: Call, value: Any, expected: list[Call]) -> Any:
        if type(value) is Expected:
            reference = self._expect(parcel, value.call, expected)
            if reference is not None:
                return reference
            value = arrived(value)
        if type(value) is RemoteItem:
            found = self._refer(parcel, call, value.whole, expected)
            return found._replace(place=value.place) if type(found) is Reference else value
        if type(value) is RemoteValue:
            holder = value.holder
            if not isinstance(holder, ClusterValues) or holder.link is not self._link:
                return value  # of another cluster: it travels through the kernel
            if holder.gone is not None:
                raise ValueReleasedError(*holder.gone)
            return Reference(parcel.place_of(holder.future, holder), value.key)
        if type(value) is type(self._link.client):
            here = self._link.client.scheduler
            is_own = value.scheduler is not None and here is not None and value.scheduler.address == here.address
            return OwnClient() if is_own else value  # one of another cluster travels as its address
        return value

    def _sent_alone(self, value: Any) -> Any:
        known = self._large.get(id(value))
        if known is None or known[1].status in ("lost", "cancelled"):
            known = self._large[id(value)] = value, self._link.client.scatter(value, hash=False)
        return known[1]

    def _refusal(self, call: Call, one: Any, cause: Exception) -> Exception | None:
        try:
            packed(one)
        except Exception as error:  # noqa: BLE001 - whatever a user's object raises when it is pickled
            refusal = check_parts(call, call.fn, error)
            refusal.__cause__ = error
            return refusal
        return None


class Parcel:
    """What travels with one bundle.

    Attributes:
        calls: The calls.
        places: Which of them each one is.
        parts: They as bytes.
        futures: Dask's futures of what they refer to.
        values: What keeps those that are of other bundles on the cluster.
        expected: The calls of other bundles that are not over, by the call that gets their values.
        functions: What was found out of functions: see `shipped_of`.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.places: dict[Call, int] = {}
        self.shipped: list[Any] = []
        self.parts: list[bytes] = []
        self.futures: list[Any] = []
        self.values: list[ClusterValues] = []
        self.expected: dict[Call, list[Call]] = {}
        self.functions: dict[int, tuple[Any, ...]] = {}

    def place_of(self, future: Any, values: ClusterValues | None = None) -> int:
        """Return which of the futures one is; it is added if it is new."""
        for place, known in enumerate(self.futures):
            if known is future:
                return place
        self.futures.append(future)
        if values is not None:
            self.values.append(values)
        return len(self.futures) - 1


class _Forlorn(Exception):
    """A call whose input is not going to come."""


def _itself(value: Any) -> Any:
    return value
