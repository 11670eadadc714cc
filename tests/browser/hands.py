"""The two ways in which a person uses a panel: with a mouse, and with a keyboard alone.

Both can do the same things, so that one test tells the story for either. The keyboard gets everywhere by Tab from
wherever the focus is, as a person would: nothing is focused by a script.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Keyboard as Keys
    from playwright.sync_api import Locator, Page

# Where to go from what has the focus: 1 is onwards, -1 back, 0 is here.
WAY_TO = """target => {
  const focused = document.activeElement;
  if (focused === target) return 0;
  return focused.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING ? 1 : -1;
}"""
# What a key does shows with the next picture.
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
MOST_STEPS = 80


class Mouse:
    """Clicks; keys only where a text is entered."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, control: Locator) -> None:
        """Press a button, tab or check box."""
        control.click()

    def write(self, field: Locator, text: str) -> None:
        """Put a text in the place of what a field has, and leave it."""
        field.click(click_count=3)
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")

    def date(self, field: Locator, year: int, month: int, day: int) -> None:
        """Choose a day."""
        field.fill(f"{year}-{month:02}-{day:02}")  # the browser's calendar is no part of the page

    def choose(self, menu: Locator, label: str) -> None:
        """Choose an entry of a drop-down menu."""
        menu.select_option(label=label)

    def slide_to_end(self, handle: Locator) -> None:
        """Move a slider as far to the right as it goes."""
        handle.hover()
        self.page.mouse.down()
        box = handle.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + 900, box["y"] + box["height"] / 2, steps=5)
        self.page.mouse.up()

    def pick(self, items: Locator, item: Locator) -> None:
        """Select one item of a table or list."""
        item.click()

    def walk(self, sheet: Locator, node: Locator) -> None:
        """Select a node of the graph."""
        node.click()


class Keyboard:
    """Keys alone."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys: Keys = page.keyboard

    def reach(self, control: Locator) -> None:
        """Go to a control by Tab, or by Shift+Tab if it is further up."""
        expect(control).to_be_enabled()
        for _ in range(MOST_STEPS):
            way = control.evaluate(WAY_TO)
            if not way:
                return
            self.keys.press("Tab" if way > 0 else "Shift+Tab")
        raise AssertionError(f"Tab does not reach {control}")

    def press(self, control: Locator) -> None:
        role = control.get_attribute("role")
        if role == "tab":  # one stop for all of them
            self._go_along(control, control.locator("xpath=..").locator("[aria-selected=true]"), "ArrowRight")
        elif control.locator("xpath=ancestor::*[@role='toolbar']").count():
            stop = control.locator("xpath=ancestor::*[@role='toolbar']").locator("button[tabindex='0']")
            self._go_along(control, stop, "ArrowRight")
            self.keys.press("Enter")
        else:
            self.reach(control)
            self.keys.press("Space" if control.get_attribute("type") == "checkbox" else "Enter")

    def write(self, field: Locator, text: str) -> None:
        self.reach(field)
        self.keys.press("Control+a")
        self.keys.type(text)
        self.keys.press("Tab")

    def date(self, field: Locator, year: int, month: int, day: int) -> None:
        self.reach(field)
        self.keys.type(f"{month:02}{day:02}{year}")  # in the order of the browser's language

    def choose(self, menu: Locator, label: str) -> None:
        self.reach(menu)
        self.keys.press("Home")
        for _ in range(MOST_STEPS):
            chosen = menu.evaluate("menu => menu.selectedOptions[0]?.label")
            if chosen.replace("\N{NO-BREAK SPACE}", " ") == label:  # ipywidgets writes it so
                return
            self.keys.press("ArrowDown")
        raise AssertionError(f"the menu has no {label}")

    def slide_to_end(self, handle: Locator) -> None:
        self.reach(handle)
        self.keys.press("End")

    def pick(self, items: Locator, item: Locator) -> None:
        self.reach(items)
        self.keys.press("Home")
        self._until(item, "aria-selected", "true", "ArrowDown")

    def walk(self, sheet: Locator, node: Locator) -> None:
        self.reach(sheet)
        self.keys.press("Home")
        self._until(node, "class", re.compile("nbflow-selected"), "ArrowDown")

    def _go_along(self, control: Locator, stop: Locator, key: str) -> None:
        """Go to what has one stop of the Tab key together with others, and from there by arrows."""
        self.reach(stop)
        for _ in range(MOST_STEPS):
            if not control.evaluate(WAY_TO):
                return
            self.keys.press(key)
        raise AssertionError(f"arrows do not reach {control}")

    def _until(self, item: Locator, attribute: str, value: str | re.Pattern[str], key: str) -> None:
        for _ in range(MOST_STEPS):
            item.evaluate(FRAMES)
            if re.search(value, item.get_attribute(attribute) or ""):
                return
            self.keys.press(key)
        raise AssertionError(f"{key} does not select {item}")


HANDS = {"mouse": Mouse, "keyboard": Keyboard}
# The mouse in both applications and both themes; keys know no colours, but must find in each what can be seen there.
WAYS = [
    *((app, theme, "mouse") for app in ("lab", "notebook") for theme in ("light", "dark")),
    ("lab", "dark", "keyboard"),
    ("notebook", "light", "keyboard"),
]
EVERY_WAY = pytest.mark.parametrize("way", [pytest.param(way, id="-".join(way)) for way in WAYS])
