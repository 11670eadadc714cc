"""How long a test waits for what must come: long enough for any machine, since a wait ends with what it waits for."""

from __future__ import annotations

PATIENCE_S = 60.0  # less than pytest's own time-out for a test, so that the test still says what did not come
