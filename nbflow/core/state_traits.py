"""What is known of each state beside its class: the one table that pictures, panel, store and `State.color` share."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_RUN = "NotRun"  # no state: of a task that has none yet


class StateTraits(NamedTuple):
    """What is known of a state.

    Attributes:
        word: What people read.
        icon: A plain character that DejaVu Sans has and that no system turns into emoji.
        border: The name of an outline; see `render/palette.py`.
        tone: The name of its colours; see `render/palette.py`.
        segment: The part of a panel's progress bar that it counts to.
        is_storable: Whether a store may hold it.
        color: The colour as the ancestor gives it; for programs, nothing is drawn in it.
    """

    word: str
    icon: str
    border: str
    tone: str
    segment: str
    is_storable: bool
    color: str = ""


# What needs somebody's attention first, what is going on next, what is over or has not begun last. A new state is a
# class in `core/states.py`, a line here, and one in `panel/static/common/state-traits.mjs`; a test compares the two.
STATE_TRAITS: Mapping[str, StateTraits] = MappingProxyType(
    {
        "Failed": StateTraits("Failed", "✗", "heavy", "red", "Failed", True, "#eb0000"),
        "TimedOut": StateTraits("Timed out", "◴", "thick dashed", "orange", "Failed", True, "#ff4e33"),
        "TriggerFailed": StateTraits("Not triggered", "⊗", "dashed", "rose", "TriggerFailed", True, "#ff5131"),
        "ValidationFailed": StateTraits("Validation failed", "≠", "thick", "orange", "Failed", True, "#ff8c7a"),
        "ClientFailed": StateTraits("Client failed", "⊖", "dashed", "orange", "Pending", False, "#f5a65b"),
        "Cancelled": StateTraits("Cancelled", "⊘", "dash-dot", "brown", "Cancelled", True, "#bdbdbd"),
        "Cancelling": StateTraits("Cancelling", "◌", "thick dashed", "brown", "Running", False, "#bdbdbd"),
        "Running": StateTraits("Running", "◐", "thick", "blue", "Running", True, "#3666e8"),
        "Looped": StateTraits("Looped", "∞", "dashed", "blue", "Running", False, "#003ccb"),
        "Retrying": StateTraits("Retrying", "↻", "dashed", "amber", "Retrying", False, "#ffff00"),
        "Paused": StateTraits("Paused", "‖", "thick dashed", "violet", "Paused", False, "#99a8e8"),
        "Resume": StateTraits("Resume", "▷", "dashed", "violet", "Paused", False, "#fb8c00"),
        "Success": StateTraits("Success", "✓", "solid", "green", "Success", True, "#28a745"),
        "Cached": StateTraits("Cached", "◉", "dashed", "teal", "Success", True, "#34d058"),
        "Mapped": StateTraits("Mapped", "⊞", "solid", "green", "Success", True, "#97ffff"),
        "Skipped": StateTraits("Skipped", "»", "dotted", "slate", "Skipped", True, "#62757f"),
        "Finished": StateTraits("Finished", "■", "solid", "grey", "Pending", True, "#ba55d3"),
        "Scheduled": StateTraits("Scheduled", "◷", "dashed", "grey", "Pending", False, "#ffab00"),
        "Queued": StateTraits("Queued", "≡", "dotted", "grey", "Pending", False, "#ffd700"),
        "Submitted": StateTraits("Submitted", "⇢", "dash-dot", "grey", "Pending", False, "#ffd54f"),
        "Pending": StateTraits("Pending", "○", "thin", "grey", "Pending", False, "#d3d3d3"),
        NOT_RUN: StateTraits("Not run", "·", "dotted", "blank", "Pending", False),
    }
)
