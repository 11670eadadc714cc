// @ts-check
/**
 * The tasks as a table, each block of them below a heading: state, time, and the message of what went wrong.
 *
 * @typedef {import("./outline.mjs").Line} Line
 * @typedef {{row: HTMLElement, badge: HTMLElement, time: HTMLElement, note: HTMLElement}} Cells
 */
import { everySecond, make, say, uniqueId } from "../common/dom.mjs";
import { countTasks, matchText, matchingLines, outlineOf } from "./outline.mjs";
import { isListedOtherwise, letPick } from "../common/row-selection.mjs";
import { elapsed, formatSeconds, runTime, shortName, withClass } from "../common/format.mjs";
import { bandsOf } from "../timeline/time-scale.mjs";
import { partsAt, partsText, waitsText } from "../common/time-parts.mjs";
import { makeRoll } from "../common/virtual-list.mjs";

// The heights of rows in a long list, as table.css has them.
const ROW_PX = 27;
const NOTE_PX = 22;

/** @param {import("../common/store.mjs").Store} store */
export function makeTable(store) {
  const matches = make("div", "nbflow-matches");
  const none = make("div", "nbflow-none");
  const { table, body } = makeGrid();
  const scroller = make("div", "nbflow-tasks", [table, none]);
  const element = make("div", "nbflow-list", [matches, scroller]);
  const id = uniqueId("table");
  /** @type {Line[]} */
  let lines = [];
  let bands = bandsOf({});
  /** @type {Set<string>} */
  const going = new Set();
  /** @type {Set<string>} */
  const noted = new Set();

  /** @param {Line} line @returns {Cells} */
  const build = (line) => {
    const cells = makeRow(line);
    cells.row.id = `${id}-${line.key}`;
    return cells;
  };
  /** @param {Cells} cells @param {Line} line @param {number} at */
  const paint = (cells, line, at) => {
    cells.row.setAttribute("aria-rowindex", String(at + 2));
    cells.row.setAttribute("aria-selected", String(store.selected.key === line.key));
    if (line.row) paintTask(cells, line.key);
    else paintBox(cells, line.key);
  };
  /** @param {Cells} cells @param {string} key */
  const paintTask = ({ row, badge, time, note }, key) => {
    const told = store.rows.get(key);
    if (!told) return;
    const { state, line, seconds, going: isGoing, note: text } = told.data;
    row.dataset.state = state;
    badge.className = withClass(badge.className, "nbflow-state-", state);
    say(badge, line);
    badge.title = line;
    const now = performance.now();
    const parts = told.data.parts ? partsAt(told.data.parts, runTime(store.snapshot.head, now)) : null;
    const below = [parts && waitsText(parts), text].filter(Boolean).join(" · ");
    row.classList.toggle("nbflow-noted", below !== "");
    note.hidden = below === "";
    say(note, below);
    note.title = below;
    say(time, formatSeconds(parts ? parts.work : elapsed(seconds, isGoing, told.toldAt, now)));
    time.title = parts ? partsText(parts) : "";
  };
  /** @param {Cells} cells @param {string} key */
  const paintBox = ({ row, badge, time }, key) => {
    const last = bands.get(key)?.at(-1);
    // A folded block has no mark of its own in the drawing.
    const [status, text] = store.snapshot.clusters[key] ?? (last ? [last.status, last.line] : ["closed", "○ closed"]);
    row.dataset.state = status;
    badge.className = withClass(badge.className, "nbflow-block-", status);
    say(badge, text);
    badge.title = text;
    const end = last?.end ?? runTime(store.snapshot.head, performance.now());
    say(time, last ? formatSeconds(end - last.start) : "");
  };
  const roll = makeRoll({
    list: body,
    scroller,
    signal: store.signal,
    head: ROW_PX,
    height: (/** @type {Line} */ line) => ROW_PX + (noted.has(line.key) ? NOTE_PX : 0),
    build,
    root: (/** @type {Cells} */ cells) => cells.row,
    paint,
    after() {
      const chosen = roll.handle(store.selected.key);
      if (chosen) table.setAttribute("aria-activedescendant", chosen.row.id);
      else table.removeAttribute("aria-activedescendant");
    },
  });
  letPick(store, table, roll, () => Math.floor(scroller.clientHeight / ROW_PX) - 1);

  const refill = () => {
    const found = matchingLines(lines, store.matches);
    const count = countTasks(found);
    const total = store.order.length;
    roll.fill(found);
    table.setAttribute("aria-rowcount", String(found.length + 1));
    matches.hidden = count === total;
    say(matches, matchText(count, total));
    table.hidden = !count;
    none.hidden = count > 0;
    say(none, total ? "No task matches the filter." : "This flow has no tasks.");
  };

  store.on("picture", () => {
    lines = outlineOf(store.order, store.picture.boxes);
    noted.clear();
    going.clear();
    refill();
  });
  store.on("filter", refill);
  store.on("patch", (/** @type {import("../common/format.mjs").Patch} */ patch) => {
    let isHigher = false;
    for (const key of Object.keys(patch.rows)) {
      const data = store.rows.get(key)?.data;
      if (!data) continue;
      if (data.going || data.parts?.[4]) going.add(key);
      else going.delete(key);
      const isNoted = data.note !== "" || (data.parts && waitsText(partsAt(data.parts, runTime(store.snapshot.head, performance.now()))) !== "");
      if (noted.has(key) !== Boolean(isNoted)) {
        isHigher = true;
        if (isNoted) noted.add(key);
        else noted.delete(key);
      }
      roll.touch(key);
    }
    if (Object.keys(patch.spans).length) bands = bandsOf(store.snapshot.spans);
    for (const key of [...Object.keys(patch.clusters), ...bands.keys()]) roll.touch(key);
    if (isHigher) roll.measure();
    if (isListedOtherwise(store, roll, patch)) refill();
  });
  everySecond(store.signal, () => {
    for (const key of going) roll.touch(key);
    for (const [key, list] of bands) if (list.at(-1)?.end === null) roll.touch(key);
  });
  return element;
}

/** An empty table; the whole of it is one stop of Tab. */
function makeGrid() {
  // Roles are said in words, because the layout is not that of a table.
  const heads = ["Task", "State", "Time"].map((name) =>
    make("th", `nbflow-${name.toLowerCase()}`, name, { role: "columnheader" }));
  const top = make("thead", "", [make("tr", "", heads, { role: "row", "aria-rowindex": 1 })], { role: "rowgroup" });
  const body = make("tbody", "", "", { role: "rowgroup" });
  const about = { tabindex: 0, role: "grid", "aria-label": "tasks", "aria-colcount": 3 };
  return { table: make("table", "", [top, body], about), body };
}

/** @param {Line} line @returns {Cells} */
function makeRow({ key, name, depth, row: task }) {
  const title = make("th", `nbflow-name nbflow-${task?.kind ?? "block"}`, task ? shortName(task) : name, {
    role: "rowheader", title: task?.box ? `${name} (in ${task.box})` : name,
  });
  const badge = make("span", "nbflow-badge");
  const state = make("td", "nbflow-state", [badge], { role: "gridcell" });
  const time = make("td", "nbflow-time", "", { role: "gridcell" });
  // The message, below the others and as wide as the table.
  const note = make("td", "nbflow-note", "", { role: "gridcell", hidden: "" });
  const row = make("tr", task ? "" : "nbflow-box", [title, state, time, note], { role: "row", "data-key": key });
  row.style.setProperty("--nbflow-depth", String(depth));
  return { row, badge, time, note };
}
