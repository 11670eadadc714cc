// @ts-check
/**
 * The runs of the flow: to show one of them, or to put two side by side.
 *
 * @typedef {{number: number, state: string, line: string, started: number | null, seconds: number | null,
 *   going: boolean, kind: string, parameters: string, held: string, name: string, tags: string, note: string,
 *   tasks: string}} RunLine
 * @typedef {{runs: RunLine[], shown: number | null, is_kept: boolean, note: string}} RunList
 */
import { makeComparison } from "./comparison.mjs";
import { makeEarlier } from "./earlier.mjs";
import { runWords, startText } from "./run-words.mjs";
import { everySecond, make, makeButton, pushButton, say } from "../common/dom.mjs";
import { elapsed, formatSeconds } from "../common/format.mjs";

const ASK_AGAIN_S = 3; // while another run than the one that is shown goes on

/** @param {import("../common/store.mjs").Store} store */
export function makeRuns(store) {
  const note = make("p", "nbflow-runs-note", "", { role: "status" });
  const heads = ["Compare", "Run", "State", "Started", "Time"].map((name) =>
    make("th", `nbflow-runs-${name.toLowerCase()}`, name, { scope: "col" }));
  const body = make("tbody");
  const top = make("thead", "", [make("tr", "", [...heads, make("td")])]);
  const table = make("table", "nbflow-runs-table", [top, body]);
  const empty = make("p", "nbflow-runs-empty", "No runs yet.");
  const compare = pushButton("Compare", "nbflow-runs-go", () => {
    comparison.wait();
    store.send("compare", { runs: inOrder(chosen) });
  });
  const hint = make("span", "nbflow-runs-hint");
  const bar = make("div", "nbflow-runs-bar", [compare, hint]);
  const comparison = makeComparison(store);
  for (const part of [note, empty, table, bar]) part.hidden = true; // until the kernel has told the list
  const element = make("div", "nbflow-runs", [note, empty, table, bar, comparison.element, makeEarlier(store)]);
  /** The runs whose boxes are checked, in the order in which they were. @type {number[]} */
  let chosen = [];
  /** @type {RunList} */
  let list = { runs: [], shown: null, is_kept: true, note: "" };
  let toldAt = 0;
  let isInFront = false;
  let seconds = 0;
  /** @type {Map<number, {time: HTMLElement, bar: HTMLElement}>} */
  const times = new Map();

  const paint = () => {
    const focus = element.contains(document.activeElement) ? focusName() : "";
    const numbers = new Set(list.runs.map(({ number }) => number));
    chosen = chosen.filter((number) => numbers.has(number));
    times.clear();
    body.replaceChildren(...list.runs.flatMap(rows));
    table.hidden = !list.runs.length;
    empty.hidden = !table.hidden;
    bar.hidden = list.runs.length < 2;
    say(note, list.note);
    note.hidden = !list.note;
    tell();
    tick();
    if (focus) /** @type {HTMLElement | null} */ (body.querySelector(`[data-name="${focus}"]`))?.focus();
  };
  const focusName = () => /** @type {HTMLElement} */ (document.activeElement).dataset.name ?? "";
  const rows = (/** @type {RunLine} */ run) => {
    const { number } = run;
    const box = make("input", "", "", {
      type: "checkbox", "data-name": `box-${number}`, "aria-label": `run ${number}, to be compared`,
    });
    box.checked = chosen.includes(number);
    box.addEventListener("change", () => choose(number, box.checked));
    const check = make("td", "nbflow-runs-compare", [box]);
    const name = make("th", "nbflow-runs-run", `run ${number}`, { scope: "row" });
    const state = make("td", "nbflow-runs-state", [make("span", `nbflow-badge nbflow-state-${run.state}`, run.line)]);
    const length = make("div", "nbflow-runs-length");
    const time = make("span");
    const cell = make("td", "nbflow-runs-time", [time, length]);
    times.set(number, { time, bar: length });
    const isShown = number === list.shown;
    const show = make("td", "nbflow-runs-show", [isShown ? make("span", "", "shown")
      : makeButton("Show", "nbflow-push", () => store.send("show", { number }), {
        "data-name": `show-${number}`, "aria-label": `Show run ${number}`,
      })]);
    const started = make("td", "nbflow-runs-started", startText(run.started, new Date()));
    const classes = isShown ? "nbflow-runs-shown" : "";
    const line = make("tr", classes, [check, name, state, started, cell, show], { "data-run": number });
    const words = runWords(run);
    if (!words) return [line];
    // What there is to say of a run gets a row of its own, as wide as the table.
    line.classList.add("nbflow-runs-noted");
    return [line, make("tr", classes, [make("td"), make("td", "nbflow-runs-what", words, { colspan: 5 })])];
  };
  const choose = (/** @type {number} */ number, /** @type {boolean} */ isChosen) => {
    chosen = chosen.filter((one) => one !== number);
    if (isChosen) chosen.push(number);
    if (chosen.length > 2) {
      const [dropped] = chosen.splice(0, 1); // the box that was checked first
      const box = /** @type {HTMLInputElement | null} */ (body.querySelector(`[data-name="box-${dropped}"]`));
      if (box) box.checked = false;
    }
    tell();
  };
  const tell = () => {
    compare.disabled = chosen.length !== 2;
    const [one, other] = inOrder(chosen);
    say(compare, chosen.length === 2 ? `Compare run ${one} and run ${other}` : "Compare");
    say(hint, chosen.length === 2 ? "" : "Check two runs to put them side by side.");
  };
  const tick = () => {
    const now = performance.now();
    const taken = list.runs.map((run) => elapsed(run.seconds, run.going, toldAt, now) ?? 0);
    const longest = Math.max(...taken, 0.001);
    list.runs.forEach((run, i) => {
      const cell = times.get(run.number);
      if (!cell) return;
      say(cell.time, run.seconds === null ? "–" : formatSeconds(taken[i]));
      cell.bar.style.width = `${(100 * taken[i]) / longest}%`;
    });
  };
  store.on("runs", (told) => {
    list = told;
    toldAt = performance.now();
    paint();
  });
  store.on("view", (name) => {
    isInFront = name === "runs";
    if (isInFront) store.send("list_runs");
  });
  everySecond(store.signal, () => {
    if (!isInFront || !list.runs.some(({ going }) => going)) return;
    tick();
    seconds = (seconds + 1) % ASK_AGAIN_S;
    if (!seconds && list.runs.some(({ going, number }) => going && number !== list.shown)) store.send("list_runs");
  });
  return element;
}

/** @param {number[]} numbers */
function inOrder(numbers) {
  return [...numbers].sort((a, b) => a - b);
}
