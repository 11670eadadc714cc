"""What axe-core finds wrong with a part of a page, in sentences.

axe-core comes with the package axe-playwright-python; nothing is fetched. It checks what can be decided without a
person: names, roles, states, contrast. That the keys work and the order makes sense is for other tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from playwright.sync_api import Page

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
COLOURS = ("cat.color",)  # one stricter than AA among them, which is left out below
# Jupyter's body hides its overflow and has no height, since all in it is placed absolutely: axe would take the whole
# page for hidden and check no colour. What axe could not decide is given as well.
_RUN = """async ([within, rules]) => {
  const body = document.body.style, height = body.minHeight;
  body.minHeight = "100vh";
  try {
    const found = await axe.run(within, {
    runOnly: {type: "tag", values: rules}, rules: {"color-contrast-enhanced": {enabled: false}},
  });
    return {
      violations: found.violations,
      passes: found.passes.map(rule => [rule.id, rule.nodes.length]),
      undecided: found.incomplete,
    };
  } finally {
    body.minHeight = height;
  }
}"""


@dataclass(frozen=True)
class Findings:
    """What axe found: one sentence an element that is wrong or undecided, and how many elements each rule passed."""

    wrong: list[str]
    undecided: list[str]
    passed: dict[str, int]


def check(page: Page, within: str, rules: tuple[str, ...] = RULES) -> Findings:
    """Check what is within a selector."""
    # Not as a script element: that would be another thing in the page, and a content policy may forbid it.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate(_RUN, [within, list(rules)])
    return Findings(_sentences(found["violations"]), _sentences(found["undecided"]), dict(found["passes"]))


def _sentences(rules: list[dict[str, Any]]) -> list[str]:
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {_reasons(node)}"
        for rule in rules
        for node in rule["nodes"]
    ]


def _reasons(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
