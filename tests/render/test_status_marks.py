"""Counts and summed-up states."""

from __future__ import annotations

from nbflow.core.states import Cancelled, Failed, Mapped, Pending, Running, Skipped, Success
from nbflow.render.build import draw
from nbflow.render.status_marks import Mark, marks, summary


def mapped(scene, children):
    scene.states[scene.tasks["cleaned"]] = Mapped(map_states=children)
    return marks(draw(scene.graph), scene.states).nodes["clean-1"]


def test_a_state_is_an_icon_and_a_word(scene) -> None:
    shown = marks(draw(scene.graph), scene.states).nodes

    assert shown["load-1"] == Mark("Success", "✓ Success")
    assert shown["both-1"] == Mark("Failed", "✗ Failed")


def test_a_task_without_a_state_is_not_run(scene) -> None:
    assert marks(draw(scene.graph), {}).nodes["load-1"] == Mark("NotRun", "· Not run")


def test_a_map_counts_its_children(scene) -> None:
    shown = marks(draw(scene.graph), scene.states).nodes["clean-1"]

    assert shown == Mark("Running", "◐ 37/100, 2 failed")


def test_a_finished_map_shows_what_went_wrong(scene) -> None:
    assert mapped(scene, [Success(), Success()]) == Mark("Mapped", "⊞ 2/2")
    assert mapped(scene, [Success(), Failed()]) == Mark("Failed", "✗ 2/2, 1 failed")
    assert mapped(scene, [Skipped(), Skipped()]) == Mark("Skipped", "» 2/2")
    assert mapped(scene, [Success(), Cancelled()]) == Mark("Cancelled", "⊘ 2/2")
    assert mapped(scene, [Pending(), Pending()]) == Mark("Pending", "○ 0/2")
    assert mapped(scene, [Running(), Pending()]) == Mark("Running", "◐ 0/2")
    assert mapped(scene, []) == Mark("Mapped", "⊞ 0/0")


def test_a_block_shows_its_resource(scene) -> None:
    shown = marks(draw(scene.graph), scene.states, {scene.blocks["cluster"]: "leaked"}).clusters

    assert shown["block--Cluster-1"] == Mark("leaked", "▲ leaked")
    assert shown["block--Database-1"] == Mark("closed", "○ closed")


def test_a_folded_block_shows_resource_and_counts(scene) -> None:
    drawing = draw(scene.graph, fold={scene.blocks["store"]})

    mark = marks(drawing, scene.states, scene.status).nodes["block--Database-1"]

    assert mark == Mark("Running", "✓ cleaned · 1/4")


def test_the_summary_starts_with_what_failed(scene) -> None:
    assert summary(scene.states).startswith("3 failed, 3 running, ")
