"""The palette: complete, legible, and no state told from another by colour alone."""

from __future__ import annotations

import itertools

import pytest

from nbflow.core import states as state_classes
from nbflow.core.states import State
from nbflow.render.palette import BLOCKS, BORDERS, NOT_RUN, STATES, palette_css, state_look

IMPORTANT = ("Pending", "Running", "Success", "Failed", "Skipped", "Retrying", "Cancelled", "Paused")
LOOKS = [*STATES.items(), *BLOCKS.items()]
# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour: str) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(one: str, other: str) -> float:
    weights = (0.2126, 0.7152, 0.0722)
    dark, light = sorted(
        sum(w * c for w, c in zip(weights, linear(colour), strict=True)) for colour in (one, other)
    )
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, vision: str) -> tuple[float, float, float]:
    rgb = [
        min(1, max(0, sum(m * c for m, c in zip(row, linear(colour), strict=True)))) for row in VISION[vision]
    ]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1, 1.089)
    x, y, z = (
        sum(m * c for m, c in zip(row, rgb, strict=True)) / w for row, w in zip(to_xyz, white, strict=True)
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: str, other: str, vision: str) -> float:
    pairs = zip(lab(one, vision), lab(other, vision), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


def test_every_state_class_has_a_look() -> None:
    classes = {name for name in dir(state_classes) if isinstance(getattr(state_classes, name), type)}
    states = {name for name in classes if issubclass(getattr(state_classes, name), State)}

    assert {n for n in states if not n.startswith("_")} - {"State", "Finished", "ClientFailed"} <= set(STATES)
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("name", "look"), LOOKS)
def test_text_is_legible_on_its_fill(name, look, theme) -> None:
    colours = getattr(look, theme)

    assert contrast(colours.text, colours.fill) >= 4.5
    assert contrast(colours.stroke, colours.fill) >= 3.0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_states_that_matter_stay_apart_in_every_kind_of_colour_vision(vision, theme) -> None:
    for one, other in itertools.combinations(IMPORTANT, 2):
        a, b = getattr(STATES[one], theme), getattr(STATES[other], theme)
        apart = max(distance(a.fill, b.fill, vision), distance(a.stroke, b.stroke, vision))
        assert apart >= 10, (one, other)


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
