"""All the widgets that one widget is made of: its children, and the layouts and styles that come with each.

Closing a widget of ipywidgets closes none of them, and each one that is open is kept for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywidgets import Widget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def all_widgets(root: Widget) -> list[Widget]:
    """Return a widget and all that it holds, directly or not, each once and before what it holds."""
    found: dict[int, Widget] = {}
    to_do = [root]
    while to_do:
        widget = to_do.pop()
        if id(widget) not in found:
            found[id(widget)] = widget
            to_do += _held(widget)
    return list(found.values())


def close_all(root: Widget) -> None:
    """Close all that a widget holds, but not the widget itself."""
    for widget in all_widgets(root)[1:]:
        widget.close()


def _held(widget: Widget) -> Iterator[Widget]:
    values = widget._trait_values  # reading a trait would make the defaults that nobody has asked for yet
    for name in tuple(widget.keys):
        value = values.get(name)
        several: Iterable[object] = value if isinstance(value, (list, tuple)) else (value,)
        yield from (one for one in several if isinstance(one, Widget))
