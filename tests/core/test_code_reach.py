"""What a function mentions, itself or through the user's helpers."""

import random
import sys
from random import randint

import numpy as np
import numpy.random as npr
import pytest

from nbflow import context, signals
from nbflow.core.effects.mutation import draws_random, may_ask_again, reads_loop_progress
from nbflow.core.signals import LOOP as AGAIN


def rolls():
    return randint(1, 6)


def rolls_through_a_helper():
    return rolls()


def imports_inside():
    import random as dice

    return dice.random()


def imports_a_function_inside():
    from numpy.random import rand

    return rand()


def samples(df):
    return df.sample(3)


def samples_with_a_state(df):
    return df.sample(3, random_state=1)


def has_a_generator_of_its_own():
    return random.Random(3).random(), np.random.default_rng(3).random()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (rolls, {"random"}),
        (rolls_through_a_helper, {"random"}),
        (imports_inside, {"random"}),
        (imports_a_function_inside, {"numpy.random"}),
        (lambda: random.shuffle([1]), {"random"}),
        (lambda: np.random.randint(3), {"numpy.random"}),
        (lambda: np.random.seed(3), {"numpy.random"}),
        (lambda: npr.rand(), {"numpy.random"}),
        (lambda: (rolls(), npr.rand()), {"random", "numpy.random"}),
        (samples, {"numpy.random"}),
        (samples_with_a_state, set()),
        (has_a_generator_of_its_own, set()),
        (lambda x: x + 1, set()),
    ],
)
def test_the_global_generators_that_a_function_draws_from(function, expected):
    assert draws_random(function) == expected


def loops():
    raise AGAIN(result=1)


def counts():
    return context.task_loop_count


def retries():
    raise signals.RETRY("later")


@pytest.mark.parametrize(
    ("function", "asks", "reads"),
    [
        (loops, True, False),
        (retries, True, False),
        (lambda: loops(), True, False),
        (counts, False, True),
        (lambda: counts(), False, True),
        (rolls, False, False),
    ],
)
def test_whether_a_function_asks_to_be_called_again(function, asks, reads):
    assert (may_ask_again(function), reads_loop_progress(function)) == (asks, reads)


def imports_numpy_inside():
    import numpy

    return numpy.random.rand()


def imports_a_generator_of_its_own():
    from numpy.random import default_rng

    return default_rng(3).random()


@pytest.mark.parametrize(
    ("function", "drawn"),
    [
        (imports_numpy_inside, {"numpy.random"}),
        (imports_a_function_inside, {"numpy.random"}),
        (imports_a_generator_of_its_own, set()),
    ],
)
def test_a_function_that_will_load_numpy_is_seen_to_draw_on_it(monkeypatch, function, drawn):
    for name in [name for name in sys.modules if name.partition(".")[0] == "numpy"]:
        monkeypatch.delitem(sys.modules, name)

    assert draws_random(function) == drawn
