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
  const element = make("section", "nbflow-comparison", "", { "aria-labelledby": id });
  element.hidden = true;
  const title = make("h3", "nbflow-comparison-title", "", { id, tabindex: -1 });
  const summary = make("p", "nbflow-comparison-summary", "", { role: "status" });
  const only = make("input", "", "", { type: "checkbox" });
  const label = make("label", "nbflow-comparison-only");
  label.append(only, make("span", "", "Show only what differs"));
  const tables = make("div", "nbflow-comparison-tables", "", {
    tabindex: 0, role: "region", "aria-label": "comparison",
  });
  element.append(title, summary, label, tables);
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
  const table = make("table", "nbflow-comparison-table");
  const head = make("tr");
  head.append(make("td"), ...[...names, "Time", "Value", "Code"].map((name) => make("th", "", name, { scope: "col" })));
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  const whole = barScale([["", "", states, seconds, "", "", ["", ""], 0]]);
  body.append(comparisonRow("The run", states, seconds, "", "", ["", ""], whole, "nbflow-comparison-run"));
  for (const [name, one, other, word] of parameters) {
    if (isOnlyWhatDiffers && word === "same") continue;
    const row = make("tr", word === "same" ? "" : "nbflow-differs", "", { "data-parameter": name });
    row.append(make("th", "", name, { scope: "row" }), make("td", "nbflow-comparison-given", one),
      make("td", "nbflow-comparison-given", other), make("td"), wordCell(word), make("td"));
    body.append(row);
  }
  const scale = barScale(tasks);
  for (const [key, name, both, times, value, code, sources, differs] of tasks) {
    if (isOnlyWhatDiffers && !differs) continue;
    const row = comparisonRow(name, both, times, value, code, sources, scale, differs ? "nbflow-differs" : "");
    row.dataset.key = key;
    body.append(row);
  }
  table.append(top, body);
  return table;
}

/**
 * @param {string} name  @param {Pair[2]} states  @param {Pair[3]} seconds  @param {string} value  @param {string} code
 * @param {[string, string]} sources  @param {(seconds: number | null) => number} scale  @param {string} classes
 */
function comparisonRow(name, states, seconds, value, code, sources, scale, classes) {
  const row = make("tr", classes);
  const head = make("th", "nbflow-comparison-name", name, { scope: "row", title: name });
  const cells = states.map(([state, line], i) => {
    const cell = make("td");
    cell.append(line === "-" ? make("span", "", "–") : make("span", `nbflow-badge nbflow-state-${state}`, line));
    const source = sources[i] === "computed" ? "" : sources[i];
    if (source) cell.append(make("span", "nbflow-comparison-source", ` ${source}`));
    return cell;
  });
  const time = make("td", "nbflow-comparison-time");
  time.append(...seconds.map((one, i) => {
    const line = make("div", `nbflow-comparison-bar nbflow-comparison-bar-${i}`);
    const bar = make("span", "nbflow-comparison-length");
    bar.style.width = `${scale(one)}%`;
    line.append(make("span", "", one === null ? "–" : formatSeconds(one)), bar);
    return line;
  }));
  row.append(head, ...cells, time, wordCell(value), wordCell(code));
  return row;
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
