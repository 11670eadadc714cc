"""`@task(resources=, workers=, priority=, bundle=, rerun_if_lost=)`: where on a cluster a task may run, and how."""

from __future__ import annotations

import pickle
from fractions import Fraction

import pytest

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.placement import NO_PLACEMENT, Placement
from nbflow.core.task import Task
from nbflow.errors import NbflowError

GPU = {"resources": {"GPU": 1}}


def fit(x=0):
    return x


def test_a_task_runs_anywhere_in_its_turn_by_default():
    plain = task(fit)

    assert plain.placement is NO_PLACEMENT
    assert plain.placement == Placement(resources=(), workers=(), priority=0)
    assert plain.bundle is True
    assert plain.rerun_if_lost is True


def test_a_task_without_these_options_keeps_nothing_of_them():
    assert vars(task(fit)).keys().isdisjoint({"placement", "bundle", "rerun_if_lost"})
    assert vars(task(fit, resources={}, workers=None, priority=0))["placement"] is NO_PLACEMENT


def test_options_become_a_placement():
    placed = task(fit, resources={"memory": 1.5e9, "GPU": 1}, workers=["b", "a"], priority=-3)

    assert placed.placement.resources == (("GPU", 1), ("memory", 1.5e9))
    assert placed.placement.workers == ("a", "b")
    assert placed.placement.priority == -3


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tcp://10.0.0.1:40331", ("tcp://10.0.0.1:40331",)),
        (0, (0,)),  # `LocalCluster` counts its workers
        (("alice",), ("alice",)),
        ({"alice", "bob"}, ("alice", "bob")),
        (iter([2, "alice", 1, "alice"]), (1, 2, "alice")),
        (None, ()),
    ],
    ids=["an address", "a number", "a tuple", "a set", "an iterator", "none"],
)
def test_workers_may_be_one_or_several(given, kept):
    assert task(fit, workers=given).placement.workers == kept


def test_equal_placements_are_equal_in_whatever_order_they_were_given():
    one = task(fit, resources={"GPU": 1, "disk": 2}, workers=["a", "b"], priority=1).placement
    other = task(fit, resources={"disk": 2.0, "GPU": Fraction(1)}, workers=["b", "a", "a"], priority=1).placement

    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one


def test_numbers_of_other_packages_become_those_of_python():
    numpy = pytest.importorskip("numpy")

    placed = task(fit, resources={"GPU": numpy.int64(1), "disk": numpy.float32(0.5)}, priority=numpy.int8(4)).placement

    assert [type(amount) for _, amount in placed.resources] == [int, float]
    assert type(placed.priority) is int


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"resources": "GPU"}, TypeError, r"resources of task 'fit' is 'GPU'; give a mapping"),
        ({"resources": ["GPU"]}, TypeError, r"resources of task 'fit' .* give a mapping"),
        ({"resources": {1: 1}}, TypeError, r"resources of task 'fit' has the name 1; give a mapping"),
        ({"resources": {" ": 1}}, ValueError, r"resources of task 'fit' has an empty name"),
        ({"resources": {"GPU": "1"}}, TypeError, r"resources of task 'fit' asks for '1' of 'GPU'"),
        ({"resources": {"GPU": True}}, TypeError, r"resources of task 'fit' asks for True of 'GPU'"),
        ({"resources": {"GPU": 0}}, ValueError, r"asks for 0 of 'GPU'; give a number above 0, or leave it out"),
        ({"resources": {"GPU": -1}}, ValueError, r"give a number above 0"),
        ({"resources": {"GPU": float("nan")}}, ValueError, r"give a number above 0"),
        ({"resources": {"GPU": float("inf")}}, ValueError, r"give a number above 0"),
        ({"workers": ""}, ValueError, r"workers of task 'fit' has an empty name; give the address or name"),
        ({"workers": []}, ValueError, r"workers of task 'fit' is empty, so it could run nowhere"),
        ({"workers": b"alice"}, TypeError, r"workers of task 'fit' is b'alice'; give the address"),
        ({"workers": {"alice": 1}}, TypeError, r"workers of task 'fit' is .*; give the address"),
        ({"workers": 1.5}, TypeError, r"workers of task 'fit' is 1.5; give the address"),
        ({"workers": True}, TypeError, r"workers of task 'fit' has True; give the address"),
        ({"workers": ["alice", None]}, TypeError, r"workers of task 'fit' has None; give the address"),
        ({"priority": 1.5}, TypeError, r"priority of task 'fit' is 1.5; give a whole number"),
        ({"priority": "high"}, TypeError, r"priority of task 'fit' is 'high'; give a whole number"),
        ({"priority": False}, TypeError, r"priority of task 'fit' is False; give a whole number"),
        ({"bundle": 0}, TypeError, r"bundle of task 'fit' is 0; give True, the default, or False"),
        ({"bundle": None}, TypeError, r"bundle of task 'fit' is None; give True, the default, or False"),
        ({"rerun_if_lost": "no"}, TypeError, r"rerun_if_lost of task 'fit' is 'no'; give True, the default, or False"),
    ],
    ids=str,
)
def test_impossible_options_are_refused_where_the_task_is_made_or_copied(options, kind, message):
    with pytest.raises(kind, match=message) as refusal:
        task(**options)(fit)

    assert isinstance(refusal.value, NbflowError)
    with pytest.raises(kind, match=message):
        task(fit).copy(**options)


def test_a_copy_has_the_placement_of_its_task():
    placed = task(fit, bundle=False, rerun_if_lost=False, **GPU)

    with Graph("f"):
        copies = [placed(1), placed.map([1, 2]), placed.copy()()]

    assert [copy.placement for copy in copies] == [placed.placement] * 3
    assert not any(copy.bundle or copy.rerun_if_lost for copy in copies)


def test_a_copy_may_be_placed_elsewhere():
    placed = task(fit, priority=2, **GPU)

    with Graph("f"):
        one = placed(1, task_args={"workers": "alice", "bundle": False, "rerun_if_lost": False})
        each = placed.map([1, 2], task_args={"priority": 5, "resources": None})

    assert one.placement == Placement(resources=(("GPU", 1),), workers=("alice",), priority=2)
    assert not one.bundle
    assert not one.rerun_if_lost
    assert each.placement == Placement(priority=5)
    assert each.copy(priority=0).placement is NO_PLACEMENT
    assert placed.placement == Placement(resources=(("GPU", 1),), priority=2)


def test_a_subclass_of_task_takes_the_options():
    class Fit(Task):
        def run(self):
            return None

    assert Fit(priority=1).placement == Placement(priority=1)
    assert not Fit(bundle=False).bundle


def test_a_subclass_may_have_attributes_that_are_called_like_them():
    class Train(Task):
        workers = 3

        def __init__(self, priority, **options):
            self.priority = priority
            super().__init__(**options)

        def run(self):
            return None

    train = Train("low", **GPU)
    other = train.copy(priority="high")

    assert (train.workers, train.priority, other.priority) == (3, "low", "high")
    assert train.placement == other.placement == Placement(resources=(("GPU", 1),))
