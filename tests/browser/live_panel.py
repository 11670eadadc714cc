"""A panel in a page, as a person sees it: its buttons, what it says, and the classes its nodes have had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import NotebookPage

# Notes every class that says a state, at the moment the browser applies it: nothing is polled, nothing missed.
RECORD = """panel => {
  const seen = window.nbflowSeen = {};
  const note = (key, name) => {
    const all = seen[key] ??= [];
    if (name && all.at(-1) !== name) all.push(name);
  };
  const look = () => {
    for (const group of panel.querySelectorAll("g[data-key]")) {
      const name = [...group.classList].find((c) => /^nbflow-(state|block)-/.test(c));
      note(group.dataset.key, name?.replace(/^nbflow-(state|block)-/, ""));
    }
    note("badge", panel.querySelector(".nbflow-head .nbflow-badge").textContent);
    note("open", panel.querySelector(".nbflow-open").innerText);
  };
  look();
  window.nbflowObserver?.disconnect();
  window.nbflowObserver = new MutationObserver(look);
  window.nbflowObserver.observe(panel, {subtree: true, childList: true, characterData: true, attributes: true});
}"""


class LivePanel:
    """The panel in the output of a cell."""

    def __init__(self, page: NotebookPage, cell: int) -> None:
        self.page = page
        self.element: Locator = page.outputs(cell).locator(".nbflow-panel")
        expect(self.element.locator(".nbflow-graph svg")).to_be_visible()

    def button(self, name: str) -> Locator:
        # Not that of the same name in the inspector, which opens by itself at a failure.
        bar = self.element.locator(":scope :not(.nbflow-inspector *)")
        return self.element.get_by_role("button", name=name, exact=True).and_(bar)

    def click(self, name: str) -> None:
        self.button(name).click()

    def press(self, key: str, name: str) -> None:
        """Press the key that stands for a button, once it can do something; a key too early is told, and dropped."""
        expect(self.button(name)).to_be_enabled()
        self.page.page.keyboard.press(key)

    def expect_state(self, word: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the panel's head says how the run stands."""
        badge = self.element.locator(".nbflow-head .nbflow-badge")
        expect(badge).to_contain_text(word, timeout=timeout_s * 1000)

    def expect_number(self, number: int) -> None:
        """Wait until the panel shows this run of its flow."""
        expect(self.element.locator(".nbflow-number")).to_have_text(f"run {number}")

    def expect_open(self, *texts: str) -> None:
        """Wait until the panel names these open resources and no others."""
        chips = self.element.locator(".nbflow-open .nbflow-chip")
        expect(chips).to_have_count(len(texts))
        for number, text in enumerate(texts):
            expect(chips.nth(number)).to_contain_text(text)

    def expect_row(self, task: str, word: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the table's row of a task says this word."""
        expect(self.row(task)).to_contain_text(word, timeout=timeout_s * 1000)

    def row(self, key: str) -> Locator:
        """The row of the table with this key."""
        return self.element.locator(f".nbflow-tasks tr[data-key='{key}']")

    def node(self, key: str) -> Locator:
        """The node or box in the graph with this key."""
        return self.element.locator(f".nbflow-graph g[data-key='{key}']")

    def fold(self, key: str) -> Locator:
        """The small mark by which something in the graph is folded and unfolded."""
        return self.element.locator(f".nbflow-graph .nbflow-fold[data-fold='{key}']")

    def expect_selected(self, *keys: str) -> None:
        """Wait until these nodes are marked in the graph, and no others."""
        marked = self.element.locator(".nbflow-graph .nbflow-selected")
        expect(marked).to_have_count(len(keys))
        for number, key in enumerate(keys):
            expect(marked.nth(number)).to_have_attribute("data-key", key)

    def settle(self) -> None:
        """Wait until no colour is on its way to another one."""
        self.element.evaluate(
            "panel => Promise.all(panel.getAnimations({subtree: true}).map(each => each.finished.catch(() => {})))"
        )

    def screenshot(self, name: str) -> None:
        self.element.evaluate("panel => panel.scrollIntoView()")
        self.page.screenshot(name)

    def record(self) -> None:
        """Note from now on which states nodes, boxes and the head show."""
        self.element.evaluate(RECORD)

    def seen(self) -> dict[str, list[str]]:
        """All that was shown since `record`: for each node or box its states, in order, changes only."""
        seen: dict[str, list[str]] = self.page.page.evaluate("() => window.nbflowSeen")
        return seen
