// @ts-check
/**
 * The children of a map as a table: sorted by a click on a heading, a page at a time. The kernel sorts.
 *
 * @typedef {[index: number, state: string, line: string, seconds: number | null, input: string | null, error: string,
 *   worker: string]} ChildRow
 * @typedef {{key: string, sort: string, down: boolean, failed: boolean, rows: ChildRow[], total: number, page: number,
 *   pages: number, sortable: boolean}} Told
 */
import { make, makeButton, pushButton, say } from "../common/dom.mjs";
import { formatSeconds } from "../common/format.mjs";
import { chipButton } from "./detail-sections.mjs";

/** @type {[string, string][]} */
const COLUMNS = [["index", "Child"], ["state", "State"], ["time", "Time"], ["input", "Input"], ["error", "Error"]];

/** @param {import("../common/store.mjs").Store} store */
export function makeChildrenTable(store) {
  let key = "";
  let asked = { sort: "state", down: false, failed: false, page: 0 };
  const body = make("tbody");
  const headings = COLUMNS.map(([name, label]) => {
    const button = makeButton(label, "nbflow-children-sort", () => {
      const isSame = asked.sort === name;
      ask({ sort: name, down: isSame ? !asked.down : name === "time", page: 0 });
    }, { "data-sort": name });
    return make("th", `nbflow-children-${name}`, [button], { scope: "col" });
  });
  const table = make("table", "nbflow-facts-table nbflow-children-table", [make("thead", "", [make("tr", "", headings)]), body]);
  const box = make("div", "nbflow-scroll nbflow-children-rows", [table], { "data-id": "children", tabindex: 0, role: "group", "aria-label": "children" });
  const only = make("input", "", "", { type: "checkbox" });
  only.addEventListener("change", () => ask({ failed: only.checked, page: 0 }));
  const onlyLabel = make("label", "nbflow-children-only", [only, " failed only"]);
  const back = pushButton("‹", "nbflow-children-page", () => ask({ page: asked.page - 1 }));
  const on = pushButton("›", "nbflow-children-page", () => ask({ page: asked.page + 1 }));
  back.setAttribute("aria-label", "previous page");
  on.setAttribute("aria-label", "next page");
  const where = make("span", "nbflow-faint", "", { role: "status" });
  const field = make("input", "nbflow-ask-field", "", { type: "number", min: 0, "data-id": "number", "aria-label": "go to child, by number" });
  field.placeholder = "number";
  // Not by `change`: it comes as well when what is being typed into is told again.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const index = Number(field.value);
    if (field.value !== "" && Number.isInteger(index) && index >= 0 && index < Number(field.max) + 1) store.select(key, index);
  });
  const pager = make("span", "nbflow-children-pager", [back, where, on, field]);
  const bar = make("div", "nbflow-children-bar", [onlyLabel, pager]);
  const content = [bar, box];

  /** @param {Partial<typeof asked>} [change] */
  const ask = (change = {}) => {
    asked = { ...asked, ...change };
    store.send("children", { key, ...asked });
  };
  store.on("children_rows", (/** @type {Told} */ told) => {
    const { sort, down, failed } = asked;
    if (told.key !== key || told.sort !== sort || told.down !== down || told.failed !== failed) return;
    asked.page = told.page;
    headings.forEach((heading, i) => {
      if (COLUMNS[i][0] === sort) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
      const button = /** @type {HTMLButtonElement} */ (heading.firstElementChild);
      button.disabled = COLUMNS[i][0] === "input" && !told.sortable;
      button.title = button.disabled ? "too many children to sort by their inputs" : "";
    });
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const name = body.contains(focused) ? focused?.dataset.id : undefined;
    box.hidden = !told.rows.length;
    body.replaceChildren(...told.rows.map((row) => childRow(store, key, row)));
    if (name) [...body.querySelectorAll("button")].find((one) => one.dataset.id === name)?.focus({ preventScroll: true });
    const first = told.page * 100 + 1;
    const many = (/** @type {number} */ n) => n.toLocaleString("en");
    say(where, told.pages > 1 ? `${many(first)} to ${many(first + told.rows.length - 1)} of ${many(told.total)}` : "");
    back.disabled = told.page === 0;
    on.disabled = told.page >= told.pages - 1;
    pager.hidden = told.pages < 2;
  });
  return {
    content,
    /** Show the children of a task, or look again. @param {string} of @param {{total: number, failed: number}} known */
    show(of, { total, failed }) {
      if (of !== key) {
        key = of;
        asked = { sort: "state", down: false, failed: false, page: 0 };
        only.checked = false;
        field.value = "";
        body.replaceChildren();
        pager.hidden = box.hidden = true; // headings over nothing would be read out
      }
      field.max = String(total - 1);
      onlyLabel.hidden = !failed && !asked.failed;
      ask();
    },
  };
}

/** @param {import("../common/store.mjs").Store} store @param {string} key @param {ChildRow} row */
function childRow(store, key, [index, state, line, seconds, input, error, worker]) {
  const chip = { key, name: `[${index}]`, state, line: worker ? `${line}, on ${worker}` : line };
  const badge = make("span", `nbflow-badge nbflow-state-${state}`, line);
  return make("tr", "", [
    make("td", "nbflow-number-cell", [chipButton(store, chip, index)]),
    make("td", "nbflow-said-cell", [badge]),
    make("td", "nbflow-number-cell", seconds === null || seconds === undefined ? "" : formatSeconds(seconds)),
    make("td", "nbflow-children-text", input ?? "…"),
    make("td", "nbflow-children-text", error),
  ]);
}
