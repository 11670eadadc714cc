"""The table of all names in the page for those who come from Prefect 1 says what the package has."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import nbflow

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "from-prefect-1.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(prefect[\w.]*)` \| (?:`(nbflow[\w.]*)`)? ?\| ([\w ]+) \|", PAGE, re.MULTILINE)
HOW = ("same", "renamed", "stricter", "left out")
PUBLIC = ("states", "signals", "triggers", "cache_validators", "executors")


def found(path: str) -> object:
    """Return what a dotted path leads to."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            thing = getattr(thing, part)
        return thing
    raise LookupError(path)


def test_the_table_is_there_and_names_each_thing_once():
    names = [old for old, _, _ in ROWS]

    assert len(names) > 150
    assert len(names) == len(set(names))
    assert {how for _, _, how in ROWS} == set(HOW)


@pytest.mark.parametrize(("old", "new", "how"), ROWS, ids=[old for old, _, _ in ROWS])
def test_a_name_is_where_the_table_says(old, new, how):
    name = old.rpartition(".")[2]
    if how == "left out":
        assert not new
        assert not hasattr(nbflow, name)
        assert not any(hasattr(getattr(nbflow, module), name) for module in PUBLIC)
        owner = {"Flow": nbflow.Flow, "Task": nbflow.Task, "State": nbflow.states.State}.get(old.split(".")[-2])
        assert owner is None or name not in dir(owner)
        return
    assert found(new) is not None
    assert (name == new.rpartition(".")[2]) == (how != "renamed")


def test_no_public_name_that_both_have_is_missing():
    """What the flow model lists as exported stands in the table, and so do all states, signals and triggers."""
    new = {here for _, here, _ in ROWS}
    ours = {"BlockOutcome", "Flow", "Run", "Task", "context", "flows", "live_runs", *PUBLIC, "__version__"}

    assert {f"nbflow.{name}" for name in nbflow.__all__ if name not in ours} <= new
    for module in (nbflow.states, nbflow.signals, nbflow.triggers, nbflow.cache_validators):
        name = module.__name__
        assert {f"{name}.{one}" for one in module.__all__} - new <= {
            "nbflow.triggers.Trigger",
            "nbflow.states.Released",
        }
