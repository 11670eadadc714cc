"""The name, tags and note of a run: what a person calls it, finds it by and wants to remember about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nbflow.errors import OptionTypeError, RunOptionError

if TYPE_CHECKING:
    from collections.abc import Callable


class Labelled:
    """A run with a name, tags and a note, which may be set at any time and are checked when they are.

    They are attributes of the object: nothing of them is in the class.

    Attributes:
        name: What it is called; by default the flow's name and the run's number.
        tags: Short texts to find it by, each once, in the order in which they were given.
        note: What is to be remembered about it.
    """

    name: str
    tags: tuple[str, ...]
    note: str
    _label_changed: Callable[[], None]

    def __setattr__(self, name: str, value: Any) -> None:
        check = _CHECKS.get(name)
        if check is None:
            object.__setattr__(self, name, value)
            return
        known = vars(self)
        before = known.get(name)
        known[name] = check(value)
        if "_label_changed" not in known:
            return
        try:
            self._label_changed()
        except BaseException:
            known[name] = before  # it could not be kept, so it is not so
            raise


def default_name(flow: str, number: int) -> str:
    """Return what a run is called that nobody gave a name."""
    return f"{flow}-{number}"


def given_name(run: Any) -> str:
    """Return the name that somebody has given a run; empty if it has none but the default one."""
    name: str = run.name
    return "" if name == default_name(run.graph.name, run.number) else name


def checked_name(value: Any) -> str:
    """Return the name of a run.

    Raises:
        OptionTypeError: If it is no text.
        RunOptionError: If nothing is in it.
    """
    text = _text(value, "the name of a run", "give a text, as in 'baseline'")
    if not text:
        raise RunOptionError("the name of a run is empty; give a text, as in 'baseline'")
    return text


def checked_tags(value: Any) -> tuple[str, ...]:
    """Return the tags of a run, each once.

    Raises:
        OptionTypeError: If they are no texts, or one text, whose letters nobody means.
        RunOptionError: If one is empty.
    """
    remedy = "give a list of texts, as in ['baseline', 'large']"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise OptionTypeError(f"the tags of a run are {value!r:.60}; {remedy}")
    found = [_text(one, "a tag of a run", remedy) for one in value]
    if not all(found):
        raise RunOptionError(f"a tag of a run is empty; {remedy}")
    return tuple(dict.fromkeys(found))


def checked_note(value: Any) -> str:
    """Return the note of a run; an empty one is none.

    Raises:
        OptionTypeError: If it is no text.
    """
    return _text(value, "the note of a run", "give a text; '' takes the note away")


def _text(value: Any, what: str, remedy: str) -> str:
    if not isinstance(value, str):
        raise OptionTypeError(f"{what} is {value!r:.60}; {remedy}")
    return value.strip()


_CHECKS: dict[str, Callable[[Any], Any]] = {"name": checked_name, "tags": checked_tags, "note": checked_note}
