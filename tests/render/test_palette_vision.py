"""The palette as people with fewer kinds of cones see it: still legible, and no state taken for another."""

from __future__ import annotations

import itertools

import pytest

from nbflow.render.palette import BLOCKS, DARK_PAGE, LIGHT_PAGE, MISSING, MISSING_LOOK, STATES
from tests.render.colour_vision import VISION, contrast, difference

LOOKS = {**STATES, **{f"a block {name}": look for name, look in BLOCKS.items()}, MISSING: MISSING_LOOK}
# The drawing's own page, and the papers of Jupyter's themes (--jp-layout-color1).
PAGES = {"light": (LIGHT_PAGE.fill, "#ffffff"), "dark": (DARK_PAGE.fill, "#111111", "#212121")}
# Where a run is decided: taken for each other, they mislead.
MAIN = ("Pending", "Running", "Success", "Failed", "Skipped", "Retrying", "Cancelled", "Paused")
# Kinds of failure, of which each is told from the others by its word and icon first.
FAILURES = ("TimedOut", "TriggerFailed", "ValidationFailed")

pytestmark = [
    pytest.mark.parametrize("vision", VISION),
    pytest.mark.parametrize("theme", ["light", "dark"]),
]


def apart(one: str, other: str, theme: str, vision: str) -> float:
    """How different two states look, at the fill or at the outline, whichever differs more."""
    first, second = getattr(STATES[one], theme), getattr(STATES[other], theme)
    return max(difference(getattr(first, part), getattr(second, part), vision) for part in ("fill", "stroke"))


def test_text_is_legible_on_its_fill(theme: str, vision: str):
    found = {name: contrast(c.text, c.fill, vision) for name, c in of(theme)}

    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}


def test_an_outline_is_seen_against_its_fill_and_against_the_page(theme: str, vision: str):
    found = {
        (name, beside): contrast(c.stroke, beside, vision)
        for name, c in of(theme)
        for beside in (c.fill, *PAGES[theme])
    }

    assert {pair: ratio for pair, ratio in found.items() if ratio < 3.0} == {}


def test_states_that_decide_a_run_look_clearly_different(theme: str, vision: str):
    found = {pair: apart(*pair, theme, vision) for pair in itertools.combinations(MAIN, 2)}

    assert {pair: distance for pair, distance in found.items() if distance < 7.5} == {}


def test_kinds_of_failure_look_different_from_everything_else(theme: str, vision: str):
    pairs = [(one, other) for one in FAILURES for other in (*MAIN, *FAILURES) if other != one]
    # An orange is an orange: only the border (and icon and word) tells these two.
    pairs = [pair for pair in pairs if STATES[pair[0]].light != STATES[pair[1]].light]

    found = {pair: apart(*pair, theme, vision) for pair in pairs}

    assert {pair: distance for pair, distance in found.items() if distance < 4.5} == {}


def test_states_that_look_alike_have_different_borders(theme: str, vision: str):
    alike = [
        pair
        for pair in itertools.combinations((*MAIN, *FAILURES), 2)
        if apart(*pair, theme, vision) < 9 and STATES[pair[0]].border == STATES[pair[1]].border
    ]

    assert alike == []


def of(theme: str) -> list[tuple[str, object]]:
    return [(name, getattr(look, theme)) for name, look in LOOKS.items()]
