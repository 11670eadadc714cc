// @ts-check
/**
 * The runs that the flow's store has kept of earlier kernels: to go on from one, with its plan shown first.
 *
 * @typedef {{id: string, number: number, state: string, line: string, started: number | null, seconds: number | null,
 *   kind: string, parameters: string, name: string, tags: string, note: string, tasks: string}} EarlierLine
 * @typedef {{runs: EarlierLine[], trouble: string[]}} EarlierList
 */
import { make, makeButton, uniqueId } from "../common/dom.mjs";
import { formatSeconds } from "../common/format.mjs";
import { runWords, startText } from "./run-words.mjs";

/** @param {import("../common/store.mjs").Store} store */
export function makeEarlier(store) {
  const id = uniqueId("earlier");
  const title = make("h3", "nbflow-earlier-title", "Runs of earlier kernels", { id });
  const heads = ["Run", "State", "Tasks", "Started", "Time"].map((name) =>
    make("th", `nbflow-runs-${name.toLowerCase()}`, name, { scope: "col" }));
  const body = make("tbody");
  const top = make("thead", "", [make("tr", "", [...heads, make("td")])]);
  const table = make("table", "nbflow-runs-table nbflow-earlier-table", [top, body]);
  const trouble = make("div", "nbflow-earlier-trouble", "", { role: "status" });
  const element = make("section", "nbflow-earlier", [title, table, trouble], { "aria-labelledby": id, hidden: "" });

  const rows = (/** @type {EarlierLine} */ run) => {
    const name = make("th", "nbflow-runs-run", `run ${run.number}`, { scope: "row" });
    const state = make("td", "nbflow-runs-state", [make("span", `nbflow-badge nbflow-state-${run.state}`, run.line)]);
    const tasks = make("td", "nbflow-runs-tasks", run.tasks);
    const started = make("td", "nbflow-runs-started", startText(run.started, new Date()));
    const time = make("td", "nbflow-runs-time", run.seconds === null ? "–" : formatSeconds(run.seconds));
    const resume = make("td", "nbflow-runs-show", [
      makeButton("Resume", "nbflow-push", () => store.sendWithEdits("resume", { id: run.id }), {
        "data-name": `resume-${run.id}`, "aria-label": `Resume run ${run.number} of an earlier kernel`,
      }),
    ]);
    const line = make("tr", "nbflow-runs-noted", [name, state, tasks, started, time, resume], { "data-earlier": run.number });
    return [line, make("tr", "", [make("td", "nbflow-runs-what", runWords(run), { colspan: 6 })])];
  };
  store.on("earlier", (/** @type {EarlierList} */ told) => {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const name = body.contains(focused) ? focused?.dataset.name : "";
    body.replaceChildren(...told.runs.flatMap(rows));
    if (name) /** @type {HTMLElement | null} */ (body.querySelector(`[data-name="${CSS.escape(name)}"]`))?.focus();
    trouble.replaceChildren(...told.trouble.map((words) => make("p", "", `In the store: ${words}`)));
    table.hidden = !told.runs.length;
    element.hidden = !told.runs.length && !told.trouble.length;
  });
  store.on("view", (name) => {
    if (name === "runs") store.send("list_earlier");
  });
  return element;
}
