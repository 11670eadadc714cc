"""The measure itself, against the published examples."""

from __future__ import annotations

import pytest

from tests.render.colour_vision import VISION, ciede2000, contrast, seen


# From the table of test data by Sharma, Wu and Dalal (2005).
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_are_those_of_the_published_table(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(expected, abs=1e-4)


def test_black_on_white_has_the_highest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=0.01)


@pytest.mark.parametrize("vision", VISION)
def test_greys_stay_grey(vision):
    red, green, blue = seen("#808080", vision)

    assert red == pytest.approx(green, abs=0.01)
    assert green == pytest.approx(blue, abs=0.01)


def test_red_and_green_come_together_for_those_without_the_cones_that_tell_them():
    def hue(colour, vision):
        red, green, _ = seen(colour, vision)
        return red - green

    for vision in ("protanopia", "deuteranopia"):
        normal = hue("#b3130a", "normal") - hue("#0b7a55", "normal")
        assert abs(hue("#b3130a", vision) - hue("#0b7a55", vision)) < normal / 3
