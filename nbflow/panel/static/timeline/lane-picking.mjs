// @ts-check
/** Choosing a lane of a task or child, and folding and unfolding the children of a map: by clicks, or by keys, for which all
 * lanes are one stop of Tab. */
import { asChild, laneKeyOf } from "./child-lines.mjs";
import { goToInspector, rowAfter } from "../common/row-selection.mjs";

/**
 * @param {import("../common/store.mjs").Store} store
 * @param {HTMLElement} scroller  what takes the focus
 * @param {import("./timeline.mjs").Roll & {touch: (key: string) => void, reveal: (key: string) => void, plan: () => void}} roll
 * @param {{page: () => number, isOn: () => boolean, isOpen: (key: string) => boolean | null, fold: (key: string, isOpen: boolean) => void,
 *   more: (key: string) => void}} calls  `isOpen`: null for what has no children
 */
export function letPickLanes(store, scroller, roll, { page, isOn, isOpen, fold, more }) {
  /** The line that asks for more children, while keys are at it: it is nothing that could be selected. */
  let cursor = "";
  const at = () => (cursor && roll.place(cursor) >= 0 ? cursor : laneKeyOf(store.selected, roll.place));
  let marked = "";
  const mark = () => {
    roll.touch(marked);
    marked = at();
    roll.touch(marked);
    roll.reveal(marked);
    roll.plan();
  };
  const go = (/** @type {string} */ key) => {
    const line = roll.entries[roll.place(key)];
    if (!line) return;
    const child = asChild(line);
    cursor = child?.index === -1 ? key : "";
    if (child && child.index >= 0) store.select(child.of, child.index);
    else if (!child) store.select(key);
    mark();
  };
  scroller.addEventListener("click", (event) => {
    if (!isOn()) return;
    const target = /** @type {Element} */ (event.target);
    const lane = /** @type {HTMLElement | null} */ (target.closest("[data-key], [data-child]"));
    const key = lane?.dataset.child ?? lane?.dataset.key ?? "";
    const child = asChild(roll.entries[roll.place(key)] ?? {});
    if (target.closest(".nbflow-lane-fold")) fold(key, !isOpen(key));
    else if (child?.index === -1) more(child.of);
    else if (key) go(key);
  });
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target !== scroller || !isOn()) return;
    const key = at();
    const child = asChild(roll.entries[roll.place(key)] ?? {});
    const open = child ? null : isOpen(key);
    const to = rowAfter(event.key, roll.place(key), roll.entries.length, page());
    if (to !== undefined) go(roll.entries[to].key);
    else if (child?.index === -1 && (event.key === "Enter" || event.key === " ")) more(child.of);
    else if (event.key === " " && open !== null) fold(key, !open);
    else if (event.key === "ArrowRight" && open === false) fold(key, true);
    else if (event.key === "ArrowLeft" && open === true) fold(key, false);
    else if (event.key === "ArrowLeft" && child) go(child.of);
    else if (event.key === "Enter" && roll.place(key) >= 0) goToInspector(store);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  store.on("select", () => {
    if (!isOn()) return;
    cursor = "";
    mark();
  });
  return { at };
}
