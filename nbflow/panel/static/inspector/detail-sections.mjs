// @ts-check
/**
 * What is told of a task besides its value, error, output and source: neighbours, children, inputs, history.
 *
 * @typedef {{key: string, name: string, state: string, line: string}} Chip
 * @typedef {{name: string, from: Chip[], text?: string, type?: string, size?: string, problem?: string,
 *   pending?: boolean, is_elsewhere?: boolean}} Input
 * @typedef {{changes: [number, string, string, string][], attempts: [number, number, number | null, string, string][],
 *   left: number}} History
 */
import { make, makeButton, pushButton, say } from "../common/dom.mjs";
import { formatSeconds } from "../common/format.mjs";

const FEW = 8;

/** A button that selects a task. @param {import("../common/store.mjs").Store} store @param {Chip} chip */
export function chipButton(store, { key, name, state, line }, index = /** @type {number | null} */ (null)) {
  const button = makeButton("", `nbflow-link nbflow-state-${state}`, () => store.select(key, index), {
    "data-id": `${key} ${index ?? ""}`, title: `${name}: ${line}`, "aria-label": `${name}: ${line.replace(/^\S+ /, "")}`,
  });
  const icon = make("span", "nbflow-link-icon", line.split(" ")[0], { "aria-hidden": "true" });
  button.append(icon, make("span", "nbflow-link-name", name));
  return button;
}

/**
 * Chips in a row; of many only some at first.
 * @param {import("../common/store.mjs").Store} store  @param {Chip[]} chips  @param {number} total
 */
export function chipRow(store, chips, total, few = FEW) {
  const row = make("div", "nbflow-chips", chips.slice(0, few).map((chip) => chipButton(store, chip)));
  if (chips.length > few) {
    const more = makeButton(`${total - few} more`, "nbflow-link nbflow-more", () => {
      const others = chips.slice(few).map((chip) => chipButton(store, chip));
      more.replaceWith(...others, leftOut(total - chips.length));
      others[0].focus({ preventScroll: true });
    });
    row.append(more);
  } else row.append(leftOut(total - chips.length));
  return row;
}

/** @param {number} count */
function leftOut(count) {
  return make("span", "nbflow-faint", count > 0 ? `and ${count.toLocaleString("en")} that are not listed` : "");
}

/** @param {import("../common/store.mjs").Store} store @param {{rows: Input[], left: number}} inputs */
export function inputsOf(store, { rows, left }) {
  const list = make("dl", "nbflow-inputs");
  for (const { name, from, text, type, size, problem, pending, is_elsewhere: isElsewhere } of rows) {
    const term = make("dt", "", [make("code", "", name)]);
    const facts = [type, size, isElsewhere ? "on a worker" : ""];
    if (type) term.append(make("span", "nbflow-faint", facts.filter(Boolean).join(" · ")));
    if (from.length) {
      const chips = from.map((chip) => chipButton(store, chip));
      term.append(make("span", "nbflow-from", [make("span", "nbflow-faint", "from"), ...chips]));
    }
    const value = make("dd");
    if (text !== undefined && !problem) {
      value.append(make("pre", "nbflow-pre nbflow-short", text, { tabindex: 0, "data-id": `input ${name}` }));
    } else if (pending || problem) value.append(make("span", "nbflow-faint", pending ? "…" : problem));
    list.append(term, value);
  }
  return left ? [list, make("p", "nbflow-faint", `and ${left} more, which are in run.inputs(task)`)] : [list];
}

/**
 * What is known of a value that is not in the kernel, and a button that fetches it.
 * @param {import("../common/store.mjs").Store} store  @param {{text: string}} known  @param {number | null} number
 */
export function elsewhereOf(store, { text }, number) {
  const button = pushButton("Fetch it", "nbflow-fetch", () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    say(button, "Fetching…");
    store.send("act", { act: "fetch", ...store.selected, number });
  });
  button.title = "Bring the value into the kernel, to look at it";
  const words = make("p", "nbflow-faint", ["It is on a worker; this is what the kernel knows of it. ", button]);
  return [make("pre", "nbflow-pre nbflow-short", text, { tabindex: 0 }), words];
}

/** @param {History} history */
export function historyOf({ changes, attempts, left }) {
  const tries = attempts.map(([number, start, seconds, state, line]) =>
    rowOf([String(number), formatSeconds(start), seconds === null ? "…" : formatSeconds(seconds)], state, line, ""));
  const rows = changes.map(([time, state, line, message]) => rowOf([formatSeconds(time)], state, line, message));
  if (left) rows.splice(1, 0, rowOf(["…"], "", "", `${left} changes are left out here`));
  const table = tableOf(["At", "State"], rows);
  return tries.length > 1 ? [tableOf(["Attempt", "Began", "Took", "Ended"], tries), table] : [table];
}

/** @param {string[]} names @param {HTMLElement[]} rows */
function tableOf(names, rows) {
  const head = make("tr", "", names.map((name) => make("th", "", name, { scope: "col" })));
  return make("table", "nbflow-facts-table", [make("thead", "", [head]), make("tbody", "", rows)]);
}

/** @param {string[]} cells @param {string} state @param {string} line @param {string} message */
function rowOf(cells, state, line, message) {
  const last = make("td", "nbflow-said-cell");
  const kind = state.startsWith("block-") ? `nbflow-${state}` : `nbflow-state-${state}`;
  if (line) last.append(make("span", `nbflow-badge ${kind}`, line));
  if (message) last.append(make("span", "nbflow-message", message));
  return make("tr", "", [...cells.map((cell) => make("td", "nbflow-number-cell", cell)), last]);
}
