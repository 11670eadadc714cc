"""The room as a whole: its names, what it imports, and its errors on their way from one process to another."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from nbflow import resources
from nbflow.core.resource import ResourceManager
from nbflow.errors import NbflowError
from nbflow.resources import errors

RECLAIMABLE = ["DaskCluster", "Subprocess", "TemporaryDirectory"]
EXAMPLES = [
    errors.CommandNotFoundError("npm"),
    errors.NotOurDirectoryError("/a", "a file"),
    errors.NotReadyError("npm start", "output", 2.5, "no\n"),
    errors.PortTakenError(80, "process 1 (init)"),
    errors.ProcessEndedError("npm start", 1, "no\n"),
    errors.StillRunningError("'npm start'", (1, 2)),
]


def test_the_public_names_are_there():
    assert resources.__all__ == sorted(resources.__all__, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(resources, name) for name in resources.__all__)


def test_nothing_foreign_is_loaded_before_it_is_needed():
    code = "import sys, nbflow.resources; print([n for n in sys.argv[1:] if n in sys.modules])"
    names = ["dask", "distributed", "psutil", "sqlite3", "tornado"]

    found = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


@pytest.mark.parametrize("name", RECLAIMABLE)
def test_what_is_reclaimable_has_both_handles_and_is_found_by_its_path(name):
    manager = getattr(resources, name)
    found = manager.resource_class

    assert isinstance(manager, ResourceManager)
    assert all(callable(getattr(found, method)) for method in ("early_handle", "handle", "reclaim"))
    assert getattr(sys.modules[found.__module__], found.__qualname__) is manager


def test_every_error_is_named_among_the_examples():
    assert [type(one).__name__ for one in EXAMPLES] == sorted(errors.__all__)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_its_way_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))

    assert isinstance(copy, NbflowError)
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
    assert f"{type(error).__name__} (" in errors.__doc__
