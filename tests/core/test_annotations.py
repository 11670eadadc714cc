"""What `mapped`, `unmapped` and `flatten` say about an edge, and how they nest."""

from __future__ import annotations

import pytest

from nbflow.core.annotations import EdgeAnnotation, flatten, mapped, unmapped
from nbflow.core.task import Task


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (mapped, {"mapped": True}),
        (unmapped, {"mapped": False}),
        (flatten, {"flattened": True}),
    ],
)
def test_each_annotation_sets_one_property(annotation, expected):
    """Flow-model 5.1, 5.6."""
    task = Task()

    annotated = annotation(task)

    assert isinstance(annotated, EdgeAnnotation)
    assert annotated.task is task
    assert annotated.annotations == expected


def test_annotations_nest_in_any_order():
    """Flow-model 5.7."""
    task = Task()

    for annotated in (unmapped(flatten(task)), flatten(unmapped(task))):
        assert annotated.task is task
        assert annotated.annotations == {"mapped": False, "flattened": True}


def test_the_outermost_annotation_wins():
    """Flow-model 5.7."""
    assert mapped(unmapped(1)).annotations == {"mapped": True}
    assert unmapped(mapped(1)).annotations == {"mapped": False}


def test_nesting_leaves_the_inner_annotation_alone():
    """Flow-model 5.7."""
    inner = unmapped(1)

    flatten(inner)

    assert inner.annotations == {"mapped": False}


def test_unwrapping_keeps_what_the_annotation_does_not_say():
    """Flow-model 5.7."""
    assert unmapped(5).unwrap(mapped=True, flattened=True) == (5, False, True)
    assert flatten(5).unwrap(mapped=True) == (5, True, True)
    assert mapped(5).unwrap() == (5, True, False)


def test_an_annotation_shows_what_it_is_around():
    assert repr(unmapped(flatten([1]))) == "unmapped([1])"
