// @ts-check
/**
 * Where the run pauses, or the next one will: below the buttons, as long as there is any. A click goes to the task.
 *
 * @typedef {{key: string, name: string, text: string}} BreakpointRow
 * @typedef {{total: number, rows: BreakpointRow[]}} BreakpointsTold
 */
import { make, makeButton } from "../common/dom.mjs";

/** @param {import("../common/store.mjs").Store} store */
export function makeBreakpoints(store) {
  const list = make("ul", "nbflow-breakpoints-list", "", { "aria-label": "breakpoints" });
  const all = makeButton("Clear all", "nbflow-push nbflow-breakpoints-all", () => store.send("clear_breakpoints"));
  const title = make("span", "nbflow-breakpoints-title", "Pauses");
  const element = make("div", "nbflow-breakpoints", [title, list, all]);
  element.hidden = true;

  store.on("breakpoints", (/** @type {BreakpointsTold} */ { total, rows }) => {
    const hadFocus = element.contains(document.activeElement);
    list.replaceChildren(...rows.map((row) => breakpointOf(store, row)));
    if (total > rows.length) list.append(make("li", "nbflow-faint", `and ${total - rows.length} more`));
    element.hidden = !total;
    if (hadFocus) {
      const next = /** @type {HTMLElement | null} */ (total ? list.querySelector("button") : store.el.querySelector("[role=tab]"));
      next?.focus({ preventScroll: true });
    }
    store.tell("announce", total ? `${total} breakpoint${total === 1 ? "" : "s"}` : "No breakpoints");
  });
  return element;
}

/** @param {import("../common/store.mjs").Store} store @param {BreakpointRow} row */
function breakpointOf(store, { key, text }) {
  const go = makeButton("", "nbflow-link nbflow-breakpoint", () => store.select(key, null), { title: `${text}: inspect the task` });
  go.append(make("span", "nbflow-breakpoint-dot", "●", { "aria-hidden": "true" }), make("span", "nbflow-link-name", text));
  const clear = makeButton("×", "nbflow-dismiss nbflow-breakpoint-clear", () => store.send("clear_breakpoints", { key }), {
    "aria-label": `Clear the breakpoint ${text}`, title: "Clear",
  });
  return make("li", "nbflow-breakpoints-item", [go, clear]);
}
