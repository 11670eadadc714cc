// @ts-check
/** Choosing a bar in the lanes of workers: by a click, or by keys, for which all lanes are one stop of Tab. */
import { goToInspector } from "../common/row-selection.mjs";
import { barAfter, selectedBar } from "./workers.mjs";

/**
 * @param {import("../common/store.mjs").Store} store  @param {HTMLElement} scroller  what takes the focus
 * @param {() => import("./workers.mjs").WorkerLane[]} lanes  none while it is another kind of lanes
 */
export function letPickBars(store, scroller, lanes) {
  const bars = () => lanes().flatMap((lane) => lane.bars);
  scroller.addEventListener("click", (event) => {
    const id = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-bar]"))?.dataset.bar;
    const bar = id && bars().find((one) => one.id === id);
    if (bar && bar.key) store.select(bar.key, bar.index);
  });
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target !== scroller) return;
    const from = selectedBar(bars(), store.selected);
    const to = barAfter(lanes(), from, event.key);
    if (to) store.select(to.key, to.index);
    else if (event.key === "Enter" && from) goToInspector(store);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
