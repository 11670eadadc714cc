"""What a run's timings say of loops."""

from __future__ import annotations

from nbflow.core.states import Looped, Running, Success
from nbflow.engine.time_spans import Change, Span, spans_of


def test_the_turns_of_a_loop_wait_for_no_person():
    changes = [
        Change(1.0, Running(), 1),
        Change(2.0, Looped(), 0),
        Change(5.0, Running(), 1),
        Change(6.0, Success(), 1),
    ]
    assert spans_of(changes) == [
        Span("work", 1.0, 2.0, 1, "Looped"),
        Span("slot", 2.0, 5.0, 1),
        Span("work", 5.0, 6.0, 1, "Success"),
    ]
