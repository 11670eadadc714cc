"""Names are cut and cleaned the same whether they are plain or hostile."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.render.names import one_line


@given(st.text(max_size=300))
def test_one_line_is_printable_whatever_it_is_made_of(value):
    line = one_line(value, 80)

    assert len(line) <= 80
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert line == line.strip()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain  text ", "plain text"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("a\u202eb\u200bc\ud800d", "a b c d"),
        ("no\u00a0break", "no break"),
        ("ünïcode ✓", "ünïcode ✓"),
        (7, "7"),
    ],
)
def test_what_cannot_be_printed_becomes_a_space(value, line):
    assert one_line(value) == line
