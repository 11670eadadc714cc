"""The name, tags and note of a run in a few words, as drawings, panels and lists show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.run_label import given_name
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.run_label import Labelled

_LONGEST_NAME, _LONGEST_TAG, _LONGEST_NOTE, _MOST_TAGS = 80, 40, 300, 20


def name_words(run: Labelled) -> str:
    """Return the name that somebody has given a run; empty if it has none but the default one."""
    return one_line(given_name(run), _LONGEST_NAME)


def tag_words(tags: Iterable[str]) -> str:
    """Return tags in a row."""
    listed = [one_line(tag, _LONGEST_TAG) for tag in tags]
    more = [f"and {len(listed) - _MOST_TAGS} more"] if len(listed) > _MOST_TAGS else []
    return ", ".join([*listed[:_MOST_TAGS], *more])


def note_words(run: Labelled) -> str:
    """Return the note of a run in one line."""
    return one_line(run.note, _LONGEST_NOTE)


def label_words(run: Labelled) -> list[str]:
    """Return what a drawing says of a run's label besides its name; nothing of what it does not have."""
    tags = tag_words(run.tags)
    return [words for words in (tags and f"tagged {tags}", note_words(run)) if words]
