// @ts-check
/**
 * What failed in the run, equal errors together: a click goes to a task. Its tab is there once something has.
 *
 * @typedef {{type: string, message: string, place: string, size: string, count: number,
 *   chips: [import("../inspector/detail-sections.mjs").Chip, number | null][]}} Group
 * @typedef {{total: number, kinds: number, left_out: number, groups: Group[]}} Failures
 */
import { copyText } from "../common/copy.mjs";
import { make, makeButton, say } from "../common/dom.mjs";
import { chipButton } from "../inspector/detail-sections.mjs";

/** @param {import("../common/store.mjs").Store} store @param {(failed: number) => void} count  told how many there are */
export function makeFailures(store, count) {
  const summary = make("p", "nbflow-failures-summary", "", { role: "status" });
  const copy = makeButton("Copy all errors", "nbflow-push nbflow-failures-copy", () => {
    if (store.send("copy_failures")) say(copy, "Copying…");
  });
  const list = make("ol", "nbflow-failures-list", "", { "aria-label": "failures, equal ones together" });
  const bar = make("div", "nbflow-failures-bar", [summary, copy]);
  const element = make("div", "nbflow-failures", [bar, list]);

  store.on("failures", (/** @type {Failures} */ told) => {
    say(summary, summaryOf(told));
    list.replaceChildren(...told.groups.map((group) => itemOf(store, group)));
    if (told.kinds > told.groups.length) list.append(make("li", "nbflow-faint", `and ${told.kinds - told.groups.length} more kinds`));
    count(told.total);
  });
  store.on("failures_text", async ({ text }) => {
    if (copy.textContent !== "Copying…") return; // another view of this panel has asked
    const isDone = await copyText(store.el, text);
    say(copy, isDone ? "Copied" : "Not possible");
    store.tell("announce", isDone ? "All errors are copied." : "Copying is not possible here.");
    setTimeout(() => say(copy, "Copy all errors"), 1500);
  });
  return element;
}

/** @param {Failures} told */
export function summaryOf({ total, kinds, left_out: leftOut }) {
  const many = (/** @type {number} */ n, /** @type {string} */ noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  if (!total) return "Nothing has failed.";
  const alike = kinds < total ? `, ${many(kinds, "kind")}` : "";
  const rest = leftOut ? ` ${many(leftOut, "task")} did not run because of it.` : "";
  return `${many(total, "failure")}${alike}.${rest}`;
}

/** @param {import("../common/store.mjs").Store} store @param {Group} group */
function itemOf(store, { type, message, place, size, count, chips }) {
  const title = make("div", "nbflow-error-title", [make("strong", "", type)]);
  if (message) title.append(make("span", "nbflow-error-message", `: ${message}`));
  const buttons = chips.map(([chip, index]) => chipButton(store, chip, index));
  const row = make("div", "nbflow-chips", buttons);
  if (count > chips.length) row.append(make("span", "nbflow-faint", `and ${(count - chips.length).toLocaleString("en")} more`));
  const parts = [title, ...place ? [make("code", "nbflow-failures-place", place)] : []];
  if (count > 1) parts.push(make("div", "nbflow-faint", size));
  return make("li", "nbflow-error nbflow-failures-kind", [...parts, row]);
}
