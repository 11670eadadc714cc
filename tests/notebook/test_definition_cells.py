"""Rule C2: which cell it is, by its id, its text and the names it binds."""

from __future__ import annotations

import pytest

from nbflow.notebook.tracking.definition_cells import DefinitionCells

ONE, EDITED, OTHER = "def f():\n    return 1", "def f():\n    return 2", "def g():\n    return 3"


@pytest.fixture
def places():
    made = DefinitionCells()
    made.of("other", OTHER)
    made.one = made.of("one", ONE)
    return made


def test_c2_the_same_id_is_the_same_cell_whatever_it_says(places):
    assert places.of("one", EDITED) == places.one
    assert places.of("one", "import os") == places.one


def test_c2_an_unknown_id_with_the_same_text_is_the_same_cell(places):
    assert places.of("new", ONE) == places.one
    assert places.of("new", EDITED) == places.one


def test_c2_an_unknown_id_that_binds_the_same_names_is_another_cell_as_long_as_ids_last(places):
    assert places.of("new", EDITED) != places.one


def test_c2_it_is_the_same_cell_when_other_cells_came_under_new_ids_just_before(places):
    places.of("new other", OTHER)

    assert places.of("new", EDITED) == places.one


def test_c2_it_is_another_cell_when_an_old_id_came_after_that(places):
    places.of("new other", OTHER)
    places.of("one", ONE)

    assert places.of("new", EDITED) != places.one


def test_c2_a_copy_that_says_something_else_is_another_cell_once_an_old_id_has_come(places):
    places.of("copy", ONE)
    places.of("one", ONE)

    assert places.of("copy", EDITED) != places.one
    assert places.of("one", EDITED) == places.one


def test_c2_cells_that_import_the_same_say_nothing_about_ids(places):
    places.of("a", "import os")
    places.of("b", "import os")

    assert places.of("new", EDITED) != places.one


def test_c2_without_ids_cells_are_known_by_the_names_they_bind():
    places = DefinitionCells()
    one = places.of(None, ONE)

    assert places.of(None, EDITED) == one
    assert places.of(None, OTHER) != one
    assert places.of(None, f"%%time\n{EDITED}") == one
