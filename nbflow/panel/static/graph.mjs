// @ts-check
/**
 * The graph: drawn once, an SVG that nbflow rendered; afterwards only classes and texts change.
 *
 * @typedef {import("./text.mjs").Mark} Mark
 * @typedef {import("./text.mjs").Patch} Patch
 */
import { make, say } from "./dom.mjs";
import { withClass } from "./text.mjs";

// The picture is drawn before any state: its titles end so.
const UNTOUCHED = /: · [^:]*$/;

/** @param {import("./shared.mjs").Shared} shared */
export function makeGraph(shared) {
  const graph = make("div", "nbflow-graph");
  graph.tabIndex = 0;
  graph.setAttribute("role", "region");
  graph.setAttribute("aria-label", "graph of the flow");
  /** @type {Map<string, Element>} */
  const groups = new Map();
  let drawn = "";

  const draw = () => {
    const { svg, problem } = shared.drawing;
    if (svg && svg === drawn) return;
    drawn = svg;
    groups.clear();
    if (svg) graph.innerHTML = svg; // nbflow rendered it, every text in it is escaped
    else graph.replaceChildren(make("pre", "nbflow-missing", problem));
    for (const group of graph.querySelectorAll("g[data-key]")) {
      groups.set(/** @type {SVGElement} */ (group).dataset.key ?? "", group);
    }
  };
  const paint = (/** @type {Patch} */ patch) => {
    for (const [key, mark] of Object.entries(patch.nodes)) paintGroup(groups.get(key), "nbflow-state-", mark);
    for (const [key, mark] of Object.entries(patch.clusters)) paintGroup(groups.get(key), "nbflow-block-", mark);
  };
  shared.on("drawing", draw);
  shared.on("patch", paint);
  return graph;
}

/** @param {Element | undefined} group @param {string} start @param {Mark} mark */
function paintGroup(group, start, [name, line]) {
  if (!group) return;
  const classes = withClass(group.getAttribute("class") ?? "", start, name);
  if (group.getAttribute("class") !== classes) group.setAttribute("class", classes);
  const text = group.querySelector(".nbflow-line");
  if (text) say(text, line);
  const title = group.querySelector(":scope > title");
  if (title && start === "nbflow-state-") {
    const element = /** @type {SVGElement} */ (group);
    element.dataset.name ??= (title.textContent ?? "").replace(UNTOUCHED, "");
    say(title, `${element.dataset.name}: ${line}`);
  }
}
