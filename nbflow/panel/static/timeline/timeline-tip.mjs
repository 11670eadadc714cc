// @ts-check
/** What the timeline says beside the pointer, or beside what is selected by keys: of a task, a resource, a bar, a worker. */
import { ROW_HEIGHT } from "./backdrop.mjs";
import { asChild, laneKeyOf } from "./child-lines.mjs";
import { wordOf } from "../common/format.mjs";
import { boxLines, taskLines, workOf, workOfChild } from "./lanes.mjs";
import { spanText } from "./spans.mjs";
import { makeTooltip } from "../common/tooltip.mjs";
import { barLines, workerLines } from "./workers.mjs";

/**
 * @param {import("../common/store.mjs").Store} store
 * @param {{frame: HTMLElement, scroller: HTMLElement, list: HTMLElement}} elements
 * @param {() => import("./timeline.mjs").Roll} listed  the rows
 * @param {() => {scale: import("./lanes.mjs").Scale, bands: Map<string, import("./time-scale.mjs").Band[]>,
 *   workers: import("./workers.mjs").WorkerLane[], spans: ReturnType<typeof import("./spans.mjs").makeSpans>}} known  what they show
 */
export function makeTimelineTip(store, { frame, scroller, list }, listed, known) {
  const tip = makeTooltip(frame, ROW_HEIGHT);
  /** @param {string} key @param {number | null} x  where in the page; null: beside its bar
   * @param {Element} [pointed]  the piece of the lane that is pointed at */
  const showTip = (key, x, pointed) => {
    const roll = listed();
    const parts = roll.handle(key);
    const line = roll.entries[roll.place(key)];
    if (!parts || !line || "worker" in line || "drawn" in parts) return tip.hide();
    const target = (parts.bars.at(-1) ?? parts.title).getBoundingClientRect();
    const edge = scroller.getBoundingClientRect();
    const { bands, scale, spans } = known();
    const child = asChild(line);
    if (child?.index === -1) return tip.hide();
    const told = store.rows.get(key);
    const work = child ? workOfChild(line.name, spans.child(child.of, child.index), scale.now)
      : workOf(line.name, told, spans.of(key), scale.now);
    const span = work.spans.find(([kind, start]) => `${kind} ${start}` === /** @type {HTMLElement | undefined} */ (pointed)?.dataset.span);
    const isOne = work.spans.filter(([kind]) => kind === "work").length === 1;
    const more = {
      note: child ? "" : told?.data.note,
      place: store.snapshot.bars[key]?.[6],
      span: span && !(span[0] === "work" && isOne) ? `here: ${spanText(span, scale.now, wordIn(span, work.line))}` : "",
    };
    const about = line.row || child ? taskLines(work, scale.now, more) : boxLines(line, bands.get(key) ?? [], scale.now);
    tip.show(about, x ?? Math.min(edge.right, target.right), parts.lane.getBoundingClientRect().top);
  };
  /** Say what a bar of a worker is, or a worker. @param {string} key  of the lane @param {Element} part  of it
   * @param {number | null} x */
  const showBarTip = (key, part, x) => {
    const roll = listed();
    const parts = roll.handle(key);
    const line = roll.entries[roll.place(key)];
    if (!parts || !line || !("worker" in line && "drawn" in parts)) return tip.hide();
    const drawn = parts.drawn[parts.bars.indexOf(/** @type {HTMLElement} */ (part))];
    if (!drawn && !parts.title.contains(part)) return tip.hide();
    const { scale, workers } = known();
    const about = drawn ? barLines(drawn.bars, scale.now) : workerLines(line, workers, scale.now);
    const { right } = part.getBoundingClientRect();
    tip.show(about, x ?? Math.min(scroller.getBoundingClientRect().right, right), parts.lane.getBoundingClientRect().top);
  };
  /** Say what the selected task or bar is, beside it. */
  const showSelected = () => {
    const bar = list.querySelector(".nbflow-chosen");
    const lane = /** @type {HTMLElement | null | undefined} */ (bar?.closest("[data-lane]"));
    if (bar && lane) showBarTip(lane.dataset.lane ?? "", bar, null);
    else showTip(laneKeyOf(store.selected, listed().place), null);
  };
  let pointed = "";
  scroller.addEventListener("pointerover", (event) => {
    // The page may move below a pointer that rests.
    const place = `${event.clientX} ${event.clientY}`;
    if (place === pointed) return;
    pointed = place;
    const target = /** @type {Element} */ (event.target);
    const lane = /** @type {HTMLElement | null} */ (target.closest("[data-key], [data-child], [data-lane]"));
    if (lane?.dataset.lane) showBarTip(lane.dataset.lane, target.closest("[data-bar]") ?? target, event.clientX);
    else if (lane) showTip(lane.dataset.child ?? lane.dataset.key ?? "", event.clientX, target.closest("[data-span]") ?? undefined);
    else tip.hide();
  });
  scroller.addEventListener("pointermove", ({ clientX, clientY }) => { pointed = `${clientX} ${clientY}`; });
  frame.addEventListener("pointerleave", () => tip.hide());
  scroller.addEventListener("scroll", () => tip.hide(), { passive: true });
  scroller.addEventListener("blur", () => tip.hide());
  scroller.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || tip.element.hidden) return;
    event.stopPropagation();
    tip.hide();
  });
  return { hide: tip.hide, showSelected };
}

/** In what state an attempt ended, in words. @param {import("./spans.mjs").Span} span @param {string} line  of the task now */
function wordIn([, , end, , state], line) {
  return end === null || !state ? wordOf(line) : state;
}
