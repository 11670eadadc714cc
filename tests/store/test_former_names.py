"""Values that an earlier nbflow kept hold its classes by the names that their modules had."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO

import pytest

from nbflow.store.contents import FORMER_NAMES, unpickle


@pytest.mark.parametrize(("former", "now"), FORMER_NAMES.items(), ids=lambda names: ".".join(names))
def test_a_class_that_was_pickled_under_its_former_name_is_found(former, now):
    module, name = former
    pickled = f"c{module}\n{name}\n.".encode()

    assert unpickle(BytesIO(pickled), len(pickled), []) is getattr(import_module(now[0]), now[1])
