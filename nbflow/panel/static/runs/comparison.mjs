// @ts-check
/**
 * Two runs side by side: states, times, whether values and code are the same. What differs comes first.
 *
 * @typedef {[key: string, name: string, states: [[string, string], [string, string]],
 *   seconds: [number | null, number | null], value: string, code: string, sources: [string, string],
 *   differs: 0 | 1]} Pair
 * @typedef {{runs: [number, number], names: [string, string], states: [[string, string], [string, string]],
 *   seconds: [number | null, number | null], parameters: [string, string, string, string][], tasks: Pair[],
 *   differing: number, total: number}} Comparison
 */
import { make, say, uniqueId } from "../common/dom.mjs";
import { formatSeconds } from "../common/format.mjs";

/** @param {import("../common/store.mjs").Store} store */
export function makeComparison(store) {
  const id = uniqueId("comparison");
  const title = make("h3", "nbflow-comparison-title", "", { id, tabindex: -1 });
  const summary = make("p", "nbflow-comparison-summary", "", { role: "status" });
  const only = make("input", "", "", { type: "checkbox" });
  const label = make("label", "nbflow-comparison-only", [only, make("span", "", "Show only what differs")]);
  const tables = make("div", "nbflow-comparison-tables", "", {
    tabindex: 0, role: "region", "aria-label": "comparison",
  });
  const parts = [title, summary, label, tables];
  const element = make("section", "nbflow-comparison", parts, { "aria-labelledby": id, hidden: "" });
  /** @type {Comparison | null} */
  let told = null;
  let isAwaited = false;

  const paint = () => {
    if (!told) return;
    element.hidden = false;
    title.textContent = `${capital(told.names[0])} and ${told.names[1]}`;
    say(summary, summaryText(told));
    tables.replaceChildren(comparisonTable(told, only.checked));
  };
  only.addEventListener("change", paint);
  store.on("comparison", (comparison) => {
    told = comparison;
    paint();
    if (isAwaited) title.focus({ preventScroll: true });
    if (isAwaited) element.scrollIntoView({ block: "nearest" });
    isAwaited = false;
  });
  return {
    element,
    /** The comparison that comes next was asked for here. */
    wait() {
      isAwaited = true;
    },
  };
}

/** @param {Pick<Comparison, "differing" | "total" | "tasks">} comparison */
export function summaryText({ differing, total, tasks }) {
  const many = `${total.toLocaleString("en")} ${total === 1 ? "task" : "tasks"}`;
  const cut = tasks.length < total ? `; the first ${tasks.length} are listed` : "";
  if (!differing) return `None of ${many} differs in state, value or code${cut}.`;
  const some = `${differing.toLocaleString("en")} of ${many} ${differing === 1 ? "differs" : "differ"}`;
  return `${some} in state, value or code${cut}.`;
}

/** How long the bars of two times are, in percent of the longest of all. @param {Pair[]} pairs */
export function barScale(pairs) {
  const longest = Math.max(0.001, ...pairs.flatMap(([, , , seconds]) => seconds.map((one) => one ?? 0)));
  return (/** @type {number | null} */ seconds) => (seconds === null ? 0 : (100 * seconds) / longest);
}

/** @param {Comparison} comparison @param {boolean} isOnlyWhatDiffers */
function comparisonTable(comparison, isOnlyWhatDiffers) {
  const { names, states, seconds, parameters, tasks } = comparison;
  const heads = [...names, "Time", "Value", "Code"].map((name) => make("th", "", name, { scope: "col" }));
  const top = make("thead", "", [make("tr", "", [make("td"), ...heads])]);
  const whole = barScale([["", "", states, seconds, "", "", ["", ""], 0]]);
  const rows = [comparisonRow("The run", states, seconds, "", "", ["", ""], whole, "nbflow-comparison-run")];
  for (const [name, one, other, word] of parameters) {
    if (isOnlyWhatDiffers && word === "same") continue;
    rows.push(make("tr", word === "same" ? "" : "nbflow-differs", [
      make("th", "", name, { scope: "row" }), make("td", "nbflow-comparison-given", one),
      make("td", "nbflow-comparison-given", other), make("td"), wordCell(word), make("td"),
    ], { "data-parameter": name }));
  }
  const scale = barScale(tasks);
  for (const [key, name, both, times, value, code, sources, differs] of tasks) {
    if (isOnlyWhatDiffers && !differs) continue;
    const row = comparisonRow(name, both, times, value, code, sources, scale, differs ? "nbflow-differs" : "");
    row.dataset.key = key;
    rows.push(row);
  }
  return make("table", "nbflow-comparison-table", [top, make("tbody", "", rows)]);
}

/**
 * @param {string} name  @param {Pair[2]} states  @param {Pair[3]} seconds  @param {string} value  @param {string} code
 * @param {[string, string]} sources  @param {(seconds: number | null) => number} scale  @param {string} classes
 */
function comparisonRow(name, states, seconds, value, code, sources, scale, classes) {
  const head = make("th", "nbflow-comparison-name", name, { scope: "row", title: name });
  const cells = states.map(([state, line], i) => {
    const badge = line === "-" ? make("span", "", "–") : make("span", `nbflow-badge nbflow-state-${state}`, line);
    const source = sources[i] === "computed" ? "" : sources[i];
    return make("td", "", source ? [badge, make("span", "nbflow-comparison-source", ` ${source}`)] : [badge]);
  });
  const bars = seconds.map((one, i) => {
    const bar = make("span", "nbflow-comparison-length");
    bar.style.width = `${scale(one)}%`;
    const text = make("span", "", one === null ? "–" : formatSeconds(one));
    return make("div", `nbflow-comparison-bar nbflow-comparison-bar-${i}`, [text, bar]);
  });
  const time = make("td", "nbflow-comparison-time", bars);
  return make("tr", classes, [head, ...cells, time, wordCell(value), wordCell(code)]);
}

/** @param {string} word */
function wordCell(word) {
  const icon = { same: "=", different: "≠", unknown: "?" }[word];
  return make("td", `nbflow-comparison-word nbflow-is-${word || "nothing"}`, icon ? `${icon} ${word}` : "");
}

/** @param {string} text */
function capital(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
