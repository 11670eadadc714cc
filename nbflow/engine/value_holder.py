"""What has values elsewhere: what it says of one, and how a copy of one is had."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nbflow.core.data.value_copy import copy_ahead
from nbflow.errors import CannotCopyError

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.core.states import Released
    from nbflow.engine.remote_value import RemoteValue


class RemoteFacts(NamedTuple):
    """What is known of a value without having it; taken where it is.

    Attributes:
        type: The name of its type.
        size: How many bytes it holds, estimated; None if that is not known.
        length: How many items it has; None if it has none, or that is not known without asking it.
        repr: A short text.
        elements: How many tasks a map over it makes; None: it cannot be mapped over, or is an iterator.
        fingerprint: Equal for equal values; None if it is not known.
    """

    type: str
    size: int | None
    length: int | None
    repr: str
    elements: int | None = None
    fingerprint: str | None = None


class Holder(Protocol):
    """Has values elsewhere, and says what has become of them; from any thread.

    It may have a method `fetch_all` too, which returns copies of several values at once, those of other holders of its
    class among them.
    """

    @property
    def gone(self) -> Released | None:
        """Why the values are gone; None while they are there."""

    def fetch(self, value: RemoteValue) -> Any:
        """Return a copy of a value; raises `ValueReleasedError` if it is gone, and whatever stops it from coming."""


def fetched_together(values: Collection[RemoteValue]) -> dict[Any, Any]:
    """Return copies of values as far as their holders give several at once; the others are to be fetched one by one."""
    alike: dict[type, list[RemoteValue]] = {}
    for value in values:
        if value.gone is None and hasattr(value.holder, "fetch_all"):
            alike.setdefault(type(value.holder), []).append(value)
    found: dict[Any, Any] = {}
    for several in alike.values():
        with suppress(Exception):  # whatever one of them raises, it does so by itself as well, and alone
            found |= zip(several, several[0].holder.fetch_all(several), strict=True)  # type: ignore[attr-defined]
    return found


def copy_of(value: Any) -> Any:
    """Return a copy of a value that was fetched; itself if nothing can copy it."""
    try:
        return copy_ahead(value)
    except CannotCopyError:
        try:
            return copy.deepcopy(value)
        except Exception:  # noqa: BLE001 - whatever a user's object raises when it is copied
            return value
