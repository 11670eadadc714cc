// @ts-check
/**
 * The tasks as a table: state, time, and the message of what went wrong.
 *
 * @typedef {import("./text.mjs").Row} Row
 * @typedef {import("./text.mjs").RowName} RowName
 */
import { everySecond, make, say } from "./dom.mjs";
import { elapsed, formatSeconds, shortName, withClass } from "./text.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeTable(shared) {
  const element = make("div", "nbflow-tasks");
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", "tasks");
  const table = make("table");
  const head = make("tr");
  for (const name of ["Task", "State", "Time"]) {
    const cell = make("th", `nbflow-${name.toLowerCase()}`, name);
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const rows = make("tbody");
  table.append(top, rows);
  element.append(table);
  /** @type {Map<string, {row: HTMLElement, badge: HTMLElement, time: HTMLElement, note: HTMLElement}>} */
  const cells = new Map();
  /** @type {Map<string, {data: Row, toldAt: number}>} */
  const going = new Map();

  /** @param {RowName[]} names */
  const fill = (names) => {
    cells.clear();
    going.clear();
    rows.replaceChildren(...names.flatMap((name) => {
      const row = make("tr");
      row.dataset.key = name.key;
      const task = make("th", "nbflow-task");
      task.setAttribute("scope", "row");
      task.style.setProperty("--nbflow-depth", String(name.depth));
      task.append(make("div", `nbflow-name nbflow-${name.kind}`, shortName(name)));
      task.title = name.box ? `${name.name} (in ${name.box})` : name.name;
      const state = make("td", "nbflow-state");
      const badge = make("span", "nbflow-badge");
      state.append(badge);
      const time = make("td", "nbflow-time");
      row.append(task, state, time);
      // A message gets a row of its own, as wide as the table.
      const below = make("tr", "nbflow-below");
      const note = make("td", "nbflow-note");
      note.setAttribute("colspan", "3");
      note.style.setProperty("--nbflow-depth", String(name.depth));
      below.append(note);
      below.hidden = true;
      cells.set(name.key, { row, badge, time, note });
      return [row, below];
    }));
  };
  /** @param {Record<string, import("./text.mjs").WireRow>} changed */
  const paint = (changed) => {
    const now = performance.now();
    for (const key of Object.keys(changed)) {
      const cell = cells.get(key);
      const data = shared.rows.get(key)?.data;
      if (!cell || !data) continue;
      cell.row.dataset.state = data.state;
      cell.badge.className = withClass(cell.badge.className, "nbflow-state-", data.state);
      say(cell.badge, data.line);
      say(cell.note, data.note);
      cell.row.classList.toggle("nbflow-noted", data.note !== "");
      /** @type {HTMLElement} */ (cell.note.parentElement).hidden = data.note === "";
      say(cell.time, formatSeconds(data.seconds));
      if (data.going) going.set(key, { data, toldAt: now });
      else going.delete(key);
    }
  };
  const tick = () => {
    for (const [key, { data, toldAt }] of going) {
      const cell = cells.get(key);
      if (cell) say(cell.time, formatSeconds(elapsed(data.seconds, true, toldAt, performance.now())));
    }
  };
  shared.on("picture", () => fill(shared.order));
  shared.on("patch", (patch) => paint(patch.rows));
  everySecond(shared.signal, tick);
  return element;
}
