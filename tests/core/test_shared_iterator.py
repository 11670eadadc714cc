"""Every taker of a buffer gets all items, in order, however many threads take and whatever the source does."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow.core.data.shared_iterator import ItemBuffer


def test_each_taker_gets_all_items_from_the_first_on():
    buffer = ItemBuffer(iter(range(5)))
    first = buffer.take()
    next(first)

    assert list(buffer.take()) == [0, 1, 2, 3, 4]
    assert list(first) == [1, 2, 3, 4]
    assert list(first) == []
    assert list(buffer.take()) == [0, 1, 2, 3, 4]


def test_an_endless_source_is_pulled_only_as_far_as_needed():
    source = itertools.count()
    buffer = ItemBuffer(source)

    assert list(itertools.islice(buffer.take(), 3)) == [0, 1, 2]
    assert list(itertools.islice(buffer.take(), 2)) == [0, 1]
    assert next(source) == 3


def test_an_error_of_the_source_reaches_every_taker_at_its_place():
    def source():
        yield 1
        raise RuntimeError("broken")

    buffer = ItemBuffer(source())
    depths = []
    for _ in range(3):
        taken = buffer.take()
        assert next(taken) == 1
        with pytest.raises(RuntimeError, match="broken") as caught:
            next(taken)
        depths.append(len(caught.traceback))
        assert list(taken) == []

    assert len(set(depths)) == 1


def test_an_interrupt_is_no_item():
    class Interrupted:
        calls = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.calls += 1
            if self.calls == 1:
                raise KeyboardInterrupt
            return self.calls

    taken = ItemBuffer(Interrupted()).take()

    with pytest.raises(KeyboardInterrupt):
        next(taken)
    assert next(taken) == 2


def test_a_source_may_take_from_its_own_buffer():
    class Doubling:
        def __iter__(self):
            return self

        def __next__(self):
            return 1 if own is None else next(own) * 2

    own = None
    buffer = ItemBuffer(Doubling())
    next(buffer.take())
    own = buffer.take()

    assert list(itertools.islice(buffer.take(), 4)) == [1, 2, 4, 8]


def test_several_threads_may_take():
    buffer = ItemBuffer(i for i in range(2_000))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: list(buffer.take()), range(4)))

    assert found == [list(range(2_000))] * 4


def test_threads_that_share_a_taker_share_its_items():
    taken = ItemBuffer(i for i in range(2_000)).take()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: list(taken), range(4)))

    assert sorted(itertools.chain(*found)) == list(range(2_000))
