// @ts-check
/**
 * When each task and child worked and what it waited for, and which resources were open meanwhile; or which worker had which
 * task. Painted, and told by the kernel, only while it is in front.
 *
 * @typedef {import("../table/outline.mjs").Line} Line
 * @typedef {import("./workers.mjs").WorkerLane} WorkerLane
 * @typedef {import("./lanes.mjs").Lane | import("./worker-lanes.mjs").LaneOfBars} Parts
 * @typedef {import("./child-lines.mjs").ChildLine} ChildLine
 * @typedef {{entries: (Line | ChildLine | WorkerLane)[], place: (key: string) => number, handle: (key: string) => Parts | undefined}} Roll
 */
import { paintBackdrop, ROW_HEIGHT } from "./backdrop.mjs";
import { letPickBars } from "./bar-picking.mjs";
import { makeGrouping } from "./grouping.mjs";
import { everySecond, make, say, uniqueId } from "../common/dom.mjs";
import { asChild, makeFolds, withChildren } from "./child-lines.mjs";
import { letPickLanes } from "./lane-picking.mjs";
import { makeLane, paintBoxLane, paintTaskLane, stretchOf, timesOf, workOf, workOfChild } from "./lanes.mjs";
import { makeLegend } from "./legend.mjs";
import { countTasks, matchingLines, outlineOf } from "../table/outline.mjs";
import { isListedOtherwise } from "../common/row-selection.mjs";
import { runTime } from "../common/format.mjs";
import { makeSpans, stretchOfSpans } from "./spans.mjs";
import { bandsOf, withRoom } from "./time-scale.mjs";
import { makeTimelineTip } from "./timeline-tip.mjs";
import { makeRoll } from "../common/virtual-list.mjs";
import { makeTimeZoom, timeZoomed } from "./time-zoom.mjs";
import { countWorkers, lanesOf, readBars, selectedBar } from "./workers.mjs";
import { makeWorkerLane, paintWorkerLane } from "./worker-lanes.mjs";

const HEAD_HEIGHT = 26;
const RIGHT_PX = 24;
// The column of names where there is little room.
const NARROW_PX = 120;

/** @param {import("../common/store.mjs").Store} store */
export function makeTimeline(store) {
  const { signal } = store;
  const id = uniqueId("timeline");
  const frame = make("div", "nbflow-timeline-frame");
  const axis = make("div", "nbflow-axis", "", { "aria-hidden": "true" });
  const behind = make("div", "nbflow-lanes-behind", "", { "aria-hidden": "true" });
  const list = make("div", "nbflow-lane-list", "", { role: "presentation" });
  const area = make("div", "nbflow-lanes", [behind, list], { role: "presentation" });
  const scroller = make("div", "nbflow-timeline-view", [axis, area], {
    tabindex: 0, role: "listbox", "aria-label": "timeline of the tasks",
  });
  const none = make("div", "nbflow-none");
  const grouping = makeGrouping(() => renew());
  const legend = makeLegend();
  const element = make("div", "nbflow-timeline", [grouping.element, frame, legend.element, none]);
  const spans = makeSpans();
  const folds = makeFolds();

  /** @type {Line[]} */
  let lines = [];
  let bands = bandsOf({});
  /** The lanes of workers, while they are shown. @type {WorkerLane[]} */
  let workers = [];
  let isFront = false;
  /** The pixels of a second, null while all fits in. @type {number | null} */
  let chosen = null;
  let extent = 1;
  /** @type {import("./lanes.mjs").Scale} */
  let scale = { perSecond: 1, now: 0, label: 0, left: 0, right: 0 };

  const roll = makeRoll({
    list,
    scroller,
    signal,
    head: HEAD_HEIGHT,
    height: () => ROW_HEIGHT,
    root: (/** @type {Parts} */ parts) => parts.lane,
    build(/** @type {Line | ChildLine | WorkerLane} */ line) {
      if ("worker" in line) return makeWorkerLane(line);
      const child = asChild(line);
      const parts = makeLane(line, !child ? "" : child.index < 0 ? "…" : `[${child.index}]`);
      parts.lane.id = `${id}-${line.key}`;
      return parts;
    },
    paint(parts, line, at) {
      if ("worker" in line) {
        if ("drawn" in parts) paintWorkerLane(parts, line, scale, store.selected, id);
        return;
      }
      if ("drawn" in parts) return;
      parts.lane.setAttribute("aria-selected", String(picking.at() === line.key));
      parts.lane.setAttribute("aria-posinset", String(at + 1));
      parts.lane.setAttribute("aria-setsize", String(roll.entries.length));
      const child = asChild(line);
      if (child?.index === -1) paintMore(parts, line.name);
      else if (child) paintTaskLane(parts, workOfChild(line.name, spans.child(child.of, child.index), scale.now), scale);
      else if (line.row) paintTask(parts, line);
      else paintBoxLane(parts, line, bands.get(line.key) ?? [], scale);
    },
    isOn: () => isFront,
    before: () => rescale(),
    after(from, to) {
      const { going } = store.snapshot.head;
      const title = !grouping.isByWorker ? "Task" : scale.label > NARROW_PX ? "Worker" : "";
      const listed = /** @type {Line[]} */ (grouping.isByWorker ? [] : roll.entries);
      paintBackdrop({ axis, behind, scale, title, lines: listed, from, to: Math.min(to, listed.length), bands, going });
      const at = roll.handle(grouping.isByWorker ? "" : picking.at())?.lane ?? list.querySelector(".nbflow-chosen");
      if (at) scroller.setAttribute("aria-activedescendant", at.id);
      else scroller.removeAttribute("aria-activedescendant");
    },
  });

  /** Whether the children of a map are unfolded; null of what has none. @param {string} key */
  const isOpen = (key) => (spans.maps.get(key) ? folds.isOpen(key, spans.maps.get(key) ?? 0) : null);
  /** @param {import("./lanes.mjs").Lane} parts @param {Line} line */
  const paintTask = (parts, line) => {
    const open = isOpen(line.key);
    const count = (spans.maps.get(line.key) ?? 0).toLocaleString("en");
    parts.fold.hidden = open === null;
    say(parts.fold, open ? "▾" : "▸");
    const more = open === null ? "" : open ? `, its ${count} children are below` : `, ${count} children, press Space to show them`;
    paintTaskLane(parts, workOf(line.name, store.rows.get(line.key), spans.of(line.key), scale.now), scale, more);
  };
  /** @param {import("./lanes.mjs").Lane} parts @param {string} text */
  const paintMore = ({ lane, label, title }, text) => {
    lane.classList.add("nbflow-lane-more-children");
    lane.setAttribute("aria-label", text);
    say(title, text);
    label.hidden = true;
  };
  const fitting = () => (scroller.clientWidth - scale.label - RIGHT_PX) / extent;
  let widthShown = 0;
  /** Find out how much time there is, and how much of it is in view. */
  const rescale = () => {
    const { head } = store.snapshot;
    const wasLast = chosen !== null && scroller.scrollLeft + scroller.clientWidth >= scroller.scrollWidth - 4;
    const now = runTime(head, performance.now());
    const ends = [...store.rows.values()].map((told) => timesOf(told, performance.now())?.[1] ?? 0);
    const closed = [...bands.values()].flatMap((list) => list.map((band) => band.end ?? now));
    const longest = [...ends, ...closed, spans.end(now)].reduce((most, end) => Math.max(most, end), 0.001);
    extent = head.going ? withRoom(Math.max(longest, now)) : longest;
    const label = scroller.clientWidth < 520 ? NARROW_PX : scroller.clientWidth < 900 ? 190 : 260;
    if (label !== scale.label) frame.style.setProperty("--nbflow-label", `${label}px`);
    scale = { ...scale, now, label };
    if (chosen !== null && chosen <= fitting()) chosen = null;
    const perSecond = chosen ?? Math.max(fitting(), 1e-6);
    const width = chosen === null ? "100%" : `${label + extent * perSecond + RIGHT_PX}px`;
    if (area.style.width !== width) area.style.width = axis.style.width = width;
    if (wasLast && head.going) scroller.scrollLeft = scroller.scrollWidth;
    const left = scroller.scrollLeft + label;
    scale = { perSecond, now, label, left, right: scroller.scrollLeft + scroller.clientWidth };
    roll.touchAll();
    if (scroller.clientWidth !== widthShown && chosen !== null) {
      // The inspector that opens takes room, and perhaps that in which the selected task was.
      showTime(selectedTimes());
    }
    widthShown = scroller.clientWidth;
  };
  /** @param {number} factor @param {number | null} x */
  const zoom = (factor, x) => {
    const place = Math.max(scale.label, x ?? (scale.label + scroller.clientWidth) / 2);
    const time = (scroller.scrollLeft + place - scale.label) / scale.perSecond;
    chosen = factor ? timeZoomed(scale.perSecond, factor, fitting(), extent) : null;
    rescale();
    scroller.scrollLeft = scale.label + time * scale.perSecond - place;
    tip.hide();
    roll.plan();
  };
  /** Scroll to where a task began if none of its bar is in view. @param {[number, number] | null} times */
  const showTime = (times) => {
    if (!times || stretchOf(times[0], times[1], scale).isSeen) return;
    scroller.scrollLeft = Math.max(0, times[0] * scale.perSecond - 40);
  };
  /** From when to when what is selected has something in its lane. */
  const selectedTimes = () => {
    const { key, index } = store.selected;
    const own = index === null ? spans.of(key) : spans.child(key, index)?.spans;
    return stretchOfSpans(own ?? [], scale.now) ?? timesOf(store.rows.get(key), performance.now());
  };
  const tip = makeTimelineTip(store, { frame, scroller, list }, () => roll, () => ({ scale, bands, workers, spans }));
  const picking = letPickLanes(store, scroller, roll, {
    page: () => Math.floor(scroller.clientHeight / ROW_HEIGHT) - 2,
    isOn: () => !grouping.isByWorker,
    isOpen,
    fold(key, open) {
      folds.choose(key, open);
      if (!open && store.selected.key === key && store.selected.index !== null) store.select(key);
      tip.hide();
      refill();
    },
    more(key) {
      folds.more(key);
      refill();
    },
  });
  letPickBars(store, scroller, () => workers);
  store.on("select", (selected) => {
    if (!isFront) return;
    if (grouping.isByWorker) {
      const lane = workers.find(({ bars }) => selectedBar(bars, selected));
      const bar = lane && selectedBar(lane.bars, selected);
      if (lane && bar) roll.reveal(lane.key);
      showTime(bar ? [bar.start, bar.end ?? scale.now] : null);
      roll.plan();
    } else showTime(selectedTimes());
    if (document.activeElement === scroller) requestAnimationFrame(() => requestAnimationFrame(tip.showSelected));
  });
  frame.prepend(makeTimeZoom(scroller, signal, zoom), scroller);

  const refill = () => {
    if (!isFront) return;
    const { isByWorker } = grouping;
    const bars = isByWorker ? readBars(store.snapshot.bars, store.names) : [];
    workers = lanesOf(bars.filter(({ key, state }) => store.matchesIn(key, state)));
    const { states } = store.filter;
    const isSeen = (/** @type {string} */ key, /** @type {number} */ index) =>
      !states.size || store.matchesIn(key, spans.child(key, index)?.state ?? "Pending");
    const hasSeen = (/** @type {string} */ key) =>
      states.size > 0 && [...spans.childrenOf(key)].some(([, { state }]) => store.matchesIn(key, state));
    const found = isByWorker ? [] : matchingLines(lines, (key) => store.matches(key) || hasSeen(key));
    const count = isByWorker ? workers.length : countTasks(found);
    const { number, going } = store.snapshot.head;
    const hasTimes = bands.size > 0 || going || [...store.rows.values()].some((told) => told.data.start !== null);
    frame.hidden = !hasTimes || !count;
    none.hidden = !frame.hidden;
    say(none, hasTimes ? "No task matches the filter." :
      number === null ? "Times show once the flow runs." : "No task of this run took any time.");
    roll.fill(isByWorker ? workers : withChildren(found, spans.maps, folds, isSeen));
    legend.show(isByWorker || frame.hidden ? new Set() : spans.kinds());
    wish();
  };
  let wished = "";
  /** Say to the kernel whether spans are looked at, and of which maps the children. @param {boolean} [again] */
  const wish = (again = false) => {
    const on = isFront && !grouping.isByWorker;
    const wanted = on ? folds.wanted(spans.maps) : {};
    const told = on ? JSON.stringify(wanted) : "";
    if (store.isGone || (told === wished && !again)) return;
    wished = told;
    store.send("timeline", { by: id, on, open: wanted });
  };
  store.on("timeline", (/** @type {import("./spans.mjs").ToldSpans} */ told) => {
    if (told.run !== store.snapshot.head.number) return;
    spans.take(told);
    if (!isFront) return;
    legend.show(grouping.isByWorker || frame.hidden ? new Set() : spans.kinds());
    if (told.whole || Object.keys(told.maps).length || (store.filter.states.size && Object.keys(told.children).length)) refill();
    roll.plan();
  });
  store.on("timeline_again", () => wish(true));
  signal.addEventListener("abort", () => {
    if (wished && !store.isGone) store.send("timeline", { by: id, on: false, open: {} });
  });
  const renew = () => {
    bands = bandsOf(store.snapshot.spans);
    grouping.show(countWorkers(store.snapshot.bars));
    refill();
  };
  store.on("picture", () => {
    lines = outlineOf(store.order, store.picture.boxes);
    chosen = null;
    spans.clear(); // of another run, perhaps; the kernel tells them again
    renew();
  });
  store.on("filter", refill);
  store.on("patch", (/** @type {import("../common/format.mjs").Patch} */ patch) => {
    if (!isFront) return;
    if (Object.keys(patch.spans).length) bands = bandsOf(store.snapshot.spans);
    if (Object.keys(patch.bars).length) renew();
    else if (frame.hidden || isListedOtherwise(store, roll, patch)) refill();
    roll.plan();
  });
  store.on("view", (name) => {
    isFront = name === "timeline";
    if (!isFront) {
      wish();
      return tip.hide();
    }
    renew();
    roll.update();
    roll.reveal(picking.at());
  });
  everySecond(signal, () => {
    if (isFront && store.snapshot.head?.going) roll.plan();
  });
  return element;
}
