// @ts-check
/**
 * The lanes of workers in the page: a title, and a bar for each task or child.
 *
 * @typedef {import("./workers.mjs").WorkerLane} WorkerLane
 * @typedef {{lane: HTMLElement, title: HTMLElement, name: HTMLElement, count: HTMLElement, bars: HTMLElement[],
 *   drawn: import("./workers.mjs").Drawn[]}} LaneOfBars
 */
import { make, say } from "../common/dom.mjs";
import { barText, drawnOf, isSelected, mostUrgent } from "./workers.mjs";

// A bar with less room than this has no text.
const NAME_PX = 34;

/** @param {WorkerLane} lane @returns {LaneOfBars} */
export function makeWorkerLane({ key, worker, level }) {
  // All workers are workers: what tells one from another is to be seen in a narrow column too.
  const name = make("span", "nbflow-lane-name", level ? "" : worker.replace(/^worker (?=\S+ \S*\d)/, ""));
  const count = make("span", "nbflow-lane-count");
  const title = make("div", "nbflow-lane-title", [name, count], { "aria-hidden": "true" });
  const classes = `nbflow-lane nbflow-lane-worker${level ? " nbflow-lane-more" : ""}`;
  const lane = make("div", classes, [title], { role: "group", "data-lane": key });
  return { lane, title, name, count, bars: [], drawn: [] };
}

/**
 * @param {LaneOfBars} parts  @param {WorkerLane} lane  @param {import("./lanes.mjs").Scale} scale
 * @param {import("../common/store.mjs").Selection} selected  @param {string} id  what the ids of bars begin with
 */
export function paintWorkerLane(parts, { worker, level, levels, count, bars }, scale, selected, id) {
  const total = count.toLocaleString("en");
  say(parts.count, level ? "" : total);
  const many = levels > 1 ? `, ${level + 1} of ${levels}` : "";
  parts.lane.setAttribute("aria-label", `${worker}${many}, ${total} ${count === 1 ? "task" : "tasks"}`);
  parts.drawn = drawnOf(bars, scale);
  while (parts.bars.length > parts.drawn.length) parts.bars.pop()?.remove();
  parts.drawn.forEach((drawn, i) => {
    parts.bars[i] ??= parts.lane.appendChild(make("div"));
    paintBar(parts.bars[i], drawn, scale, selected, id);
  });
}

/** @param {HTMLElement} element @param {import("./workers.mjs").Drawn} drawn @param {import("./lanes.mjs").Scale} scale
 * @param {import("../common/store.mjs").Selection} selected @param {string} id */
function paintBar(element, { bars, x, width }, scale, selected, id) {
  const chosen = bars.find((bar) => isSelected(bar, selected));
  const bar = mostUrgent(bars);
  const shown = chosen ?? bar;
  const isMany = bars.length > 1;
  const kinds = [isMany ? " nbflow-bar-many" : "", bar.key ? "" : " nbflow-bar-rest", chosen ? " nbflow-chosen" : ""];
  element.className = `nbflow-lane-bar nbflow-worker-bar nbflow-state-${bar.state || "none"}${kinds.join("")}`;
  element.id = `${id}-${shown.id}`;
  element.dataset.bar = shown.id;
  element.style.left = `${x}px`;
  element.style.width = `${width}px`;
  // The text stays in view when the start of its bar has been scrolled out of it.
  element.style.paddingLeft = `${5 + Math.max(0, Math.min(width - NAME_PX, scale.left - x))}px`;
  say(element, width < NAME_PX ? "" : isMany ? String(bars.length) : bar.name);
  if (!bar.key) {
    element.setAttribute("aria-hidden", "true"); // the lane tells how many tasks it stands for
    return;
  }
  element.removeAttribute("aria-hidden");
  element.setAttribute("role", "option");
  // Of a map all children are marked, but one thing at a time is selected.
  element.setAttribute("aria-selected", String(chosen?.index === selected.index));
  element.setAttribute("aria-label", barText(shown, scale.now));
}
