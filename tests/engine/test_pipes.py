"""Chains that read from left to right: tasks and their annotations have `pipe` (flow-model 3.7, 5.7)."""

from __future__ import annotations

import pytest

from nbflow import Flow, flatten, mapped, task, unmapped


@task
def one(x):
    return x


@task
def both(x, y):
    return x, y


def test_annotations_are_piped_and_piped_to(executor):
    """3.7, 5.7"""
    with Flow("f") as flow:
        numbers = one([1, 2])
        children = numbers.pipe(mapped).pipe(one)
        pairs = unmapped(numbers).pipe(both.map, y=numbers)
        flat = one([[1], [2, 3]]).pipe(flatten).pipe(one.map)
        flat_and_mapped = one([[1], [2, 3]]).pipe(flatten).pipe(mapped).pipe(one)
        whole = children.pipe(mapped).pipe(unmapped).pipe(both, y=mapped([3, 4]))
        constant = mapped([5, 6]).pipe(one)

    result = flow.run(executor=executor).result

    assert result[children].result == [1, 2]
    assert result[pairs].result == [([1, 2], 1), ([1, 2], 2)]
    assert result[flat].result == result[flat_and_mapped].result == [1, 2, 3]
    assert result[whole].result == [([1, 2], 3), ([1, 2], 4)]
    assert result[constant].result == [5, 6]


def test_a_pipe_goes_through_a_map_of_a_map():
    """5.7"""
    with Flow("f") as flow:
        last = one.map([1, 2]).pipe(one.map).pipe(mapped).pipe(both, y=unmapped(one(3)))

    assert flow.run().result[last].result == [(1, 3), (2, 3)]


@pytest.mark.parametrize("annotation", [mapped, unmapped, flatten])
def test_an_annotation_refuses_to_be_piped_as_itself(annotation):
    """3.7"""
    with pytest.raises(ValueError, match='"self"'):
        annotation([1]).pipe(one, self=1)
