"""A panel's script in a page without Jupyter: the real script, style sheet and data, with a model that only records.

For what happens in the page alone. It is there in half a second, where a notebook takes ten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbflow.panel import Panel
from nbflow.panel.js_bundle import script, style_sheet

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from nbflow import Flow

PAGE = """<!doctype html><html><head><meta charset="utf-8"><style>%(css)s
body { margin: 0; --jp-ui-font-color1: #222; --jp-layout-color1: #fff; }</style></head>
<body data-jp-theme-light="true">
<div style="width: %(width)dpx"><div class="nbflow-panel nbflow-page"><div id="body"></div></div></div>
<div style="height: 3000px">what is below the cell</div>
<script type="module">
class Model {
  constructor(state) { this.state = state; this.calls = {}; window.sent = []; }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.fire(`change:${name}`); }
  save_changes() {}
  on(name, call) { (this.calls[name] ??= []).push(call); }
  off(name, call) { this.calls[name] = (this.calls[name] ?? []).filter((one) => one !== call); }
  fire(name, ...values) { for (const call of this.calls[name] ?? []) call(...values); }
  send(message) { window.sent.push(message); }
}
window.model = new Model(%(state)s);
const view = URL.createObjectURL(new Blob([%(script)s], {type: "text/javascript"}));
const {default: widget} = await import(view);
const signal = new AbortController().signal;
widget.initialize({model, signal});
widget.render({model, el: document.getElementById("body"), signal, host: {}});
window.isReady = true;
</script></body></html>"""


class BarePanel:
    """The body of a flow's panel, in a page of its own."""

    def __init__(self, browser: Browser, flow: Flow, *, width: int = 900, **options: Any) -> None:
        panel = Panel(flow, flow.runs[-1] if flow.runs else None)
        assert panel.graph_view.wait_drawn(20)
        state = {name: panel._body.trait_values()[name] for name in ("picture", "drawing", "snapshot")}
        panel.close()
        self.page: Page = browser.new_page(viewport={"width": width + 20, "height": 900}, **options)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        values = {
            "css": style_sheet(),
            "width": width,
            "state": _in_script(state),
            "script": _in_script(script("body")),
        }
        self.page.set_content(PAGE % values)
        self.page.wait_for_function("window.isReady")
        self.graph: Locator = self.page.locator(".nbflow-graph")

    def node(self, key: str) -> Locator:
        return self.graph.locator(f"g[data-key='{key}']")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def selected(self) -> tuple[str, int | None]:
        """What the kernel was told last to be selected."""
        found: dict[str, Any] = self.page.evaluate("sent.findLast(message => message.kind === 'select') ?? {}")
        return found.get("key", ""), found.get("index")

    def scale(self) -> int:
        """How large the drawing is, in percent, once it has come to rest."""
        self.rest()
        return int(self.page.locator(".nbflow-scale").inner_text().removesuffix(" %"))

    def rest(self) -> None:
        """Wait until nothing moves any more."""
        self.page.evaluate("""async () => {
          const svg = document.querySelector(".nbflow-graph > svg");
          let before;
          do {
            before = svg.style.transform;
            for (let i = 0; i < 4; i++) await new Promise(requestAnimationFrame);
          } while (svg.style.transform !== before);
        }""")

    def place(self, key: str) -> tuple[float, float]:
        """Where a node is in the page."""
        self.rest()
        box = self.node(key).bounding_box()
        assert box is not None
        return round(box["x"]), round(box["y"])


def _in_script(value: Any) -> str:
    return json.dumps(value).replace("</", "<\\/")
