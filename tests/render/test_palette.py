"""The palette: complete, legible, and no state told from another by colour alone."""

from __future__ import annotations

import itertools

import pytest

from nbflow.core import states as state_classes
from nbflow.core.state_traits import NOT_RUN
from nbflow.core.states import State
from nbflow.render.palette import BLOCKS, BORDERS, MISSING_LOOK, STATES, palette_css, state_look

IMPORTANT = ("Pending", "Running", "Success", "Failed", "Skipped", "Retrying", "Cancelled", "Paused")
LOOKS = [*STATES.items(), *BLOCKS.items()]


def test_every_state_class_has_a_look() -> None:
    classes = {name for name in dir(state_classes) if isinstance(getattr(state_classes, name), type)}
    states = {name for name in classes if issubclass(getattr(state_classes, name), State)}

    assert {n for n in states if not n.startswith("_")} - {"State"} <= set(STATES)
    assert NOT_RUN in STATES


def test_a_users_own_state_is_named_as_it_is() -> None:
    assert state_look("Weird").word == "Weird"


@pytest.mark.parametrize("table", [STATES, BLOCKS])
def test_no_two_share_icon_or_word(table) -> None:
    for attribute in ("icon", "word"):
        values = [getattr(look, attribute) for look in table.values()]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(("name", "look"), LOOKS)
def test_icons_are_single_plain_characters(name, look) -> None:
    emoji = "▶◀▪▫◻◼◽◾☑☀☁☎☠♀♂♠♣♥♦♨♻♾♿⚒⚓⚔⚠⚡⚪⚫✂✅✈✉✔✖✨✳✴❄❇❌❎❓❗❤➕➖➗➡⤴⤵⬅⬆⬇⬛⬜⭐⭕‼⁉™ℹ↔↕↖↗↘↙↩↪⌚⌛⏏⏩⏳⏸⏹⏺"  # noqa: RUF001

    assert len(look.icon) == 1
    assert ord(look.icon) < 0x2800
    assert look.icon not in emoji
    assert look.border in BORDERS


def test_states_that_matter_differ_by_icon_and_border_without_any_colour() -> None:
    assert len({STATES[name].icon for name in IMPORTANT}) == len(IMPORTANT)
    assert len({STATES[name].border for name in IMPORTANT}) == len(IMPORTANT)


def test_css_has_every_class_in_light_and_in_both_kinds_of_dark() -> None:
    css = palette_css()

    for name in [f".nbflow-state-{n}" for n in STATES] + [f".nbflow-block-{n}" for n in BLOCKS]:
        assert f"\n{name}{{" in css
        assert f'[data-jp-theme-light="false"] {name}{{' in css
        assert f"body:not([data-jp-theme-light]) {name}{{" in css
    assert css.count("{") == css.count("}")


def test_css_can_be_limited_to_what_is_used() -> None:
    css = palette_css({"Failed"}, ())

    assert ".nbflow-state-Failed{" in css
    assert "nbflow-state-Success" not in css
    assert "nbflow-block" not in css


def test_every_state_is_told_from_every_other_without_colour() -> None:
    for one, other in itertools.combinations([*STATES.values(), MISSING_LOOK], 2):
        assert one.icon != other.icon
        assert one.word != other.word
        assert (one.icon, one.border) != (other.icon, other.border)
