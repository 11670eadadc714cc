"""How scripts/versions.py finds the package that breaks a layer of tests."""

from __future__ import annotations

import pytest

from scripts.versions import what_breaks

TESTED = {"alpha": "1", "beta": "1", "gamma": "1", "delta": "1", "omega": "1"}
NEWEST = {"alpha": "2", "beta": "2", "gamma": "2", "delta": "1", "fresh": "1", "omega": "2"}


class FakeEnvironment:
    """Passes a layer as the function says that is given the installed versions."""

    def __init__(self, installed, passes, together=()):
        self.installed = installed
        self.outcome = passes
        self.together = together

    def make(self, constraints):
        self.installed = dict(TESTED)

    def mix(self, versions):
        self.installed = versions

    def is_consistent(self):
        return len({self.installed[name] for name in self.together}) <= 1

    def versions(self):
        return dict(self.installed)

    def passes(self, layer):
        return self.outcome(self.installed)


def told(passes, together=()):
    newest = FakeEnvironment(NEWEST, passes)
    return what_breaks("unit", newest, FakeEnvironment({}, passes, together))


@pytest.mark.parametrize("culprit", ["alpha", "beta", "gamma", "omega"])
def test_the_package_that_breaks_a_layer_is_named_with_its_versions(culprit):
    found = told(lambda installed: installed[culprit] == "1")

    assert found == f"unit is broken by {culprit} 1 -> 2"


def test_a_package_that_the_tested_versions_lack_is_named_as_well():
    found = told(lambda installed: "fresh" not in installed)

    assert found == "unit is broken by fresh absent -> 1"


def test_packages_that_only_work_together_are_changed_and_named_together():
    found = told(lambda installed: installed["beta"] == "1", together=("beta", "gamma"))

    assert found == "unit is broken by beta 1 -> 2 or gamma 1 -> 2"


def test_a_layer_that_passes_breaks_by_nothing():
    assert told(lambda _: True) is None


def test_a_layer_that_fails_with_the_tested_versions_too_is_no_package_s_fault():
    assert told(lambda _: False) == "unit fails, and with the tested versions too"


def test_a_layer_that_passes_when_tried_again_is_no_package_s_fault():
    outcomes = iter([False, True, True])

    assert told(lambda _: next(outcomes)) == "unit failed once and passed when tried again"
