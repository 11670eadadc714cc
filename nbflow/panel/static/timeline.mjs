// @ts-check
/**
 * When each task ran, and which resources were open meanwhile. Painted only while it is in front.
 *
 * @typedef {import("./outline.mjs").Line} Line
 */
import { everySecond, make, say } from "./dom.mjs";
import { bandText, makeLane, paintBoxLane, paintTaskLane, stretchOf, timesOf } from "./lanes.mjs";
import { countTasks, endOfBox, matchingLines, outlineOf } from "./outline.mjs";
import { letPick } from "./picking.mjs";
import { formatSeconds } from "./text.mjs";
import { bandsOf, runTime, ticksBetween, withRoom } from "./timescale.mjs";
import { makeTip } from "./tip.mjs";
import { makeRoll } from "./window.mjs";
import { makeTimeZoom, timeZoomed } from "./timezoom.mjs";

const ROW_HEIGHT = 26;
const HEAD_HEIGHT = 26;
const RIGHT_PX = 24;
let timelines = 0;

/** @param {import("./shared.mjs").Shared} shared */
export function makeTimeline(shared) {
  const { signal } = shared;
  const id = `nbflow-timeline-${++timelines}-${Math.random().toString(36).slice(2, 8)}`;
  const element = make("div", "nbflow-timeline");
  const frame = make("div", "nbflow-timeline-frame");
  const scroller = make("div", "nbflow-timeline-view");
  const axis = make("div", "nbflow-axis");
  const area = make("div", "nbflow-lanes");
  const behind = make("div", "nbflow-behind");
  const list = make("div", "nbflow-lane-list");
  const none = make("div", "nbflow-none");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "listbox");
  scroller.setAttribute("aria-label", "timeline of the tasks");
  for (const part of [axis, behind]) part.setAttribute("aria-hidden", "true");
  for (const part of [area, list]) part.setAttribute("role", "presentation");
  area.append(behind, list);
  scroller.append(axis, area);
  const tip = makeTip(frame, ROW_HEIGHT);

  /** @type {Line[]} */
  let lines = [];
  let bands = bandsOf({});
  let headTold = 0;
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
    root: (/** @type {import("./lanes.mjs").Lane} */ parts) => parts.lane,
    build(/** @type {Line} */ line) {
      const parts = makeLane(line);
      parts.lane.id = `${id}-${line.key}`;
      return parts;
    },
    paint(parts, line, at) {
      parts.lane.setAttribute("aria-selected", String(shared.selected.key === line.key));
      parts.lane.setAttribute("aria-posinset", String(at + 1));
      parts.lane.setAttribute("aria-setsize", String(roll.entries.length));
      if (line.row) paintTaskLane(parts, line, shared.rows.get(line.key), scale);
      else paintBoxLane(parts, line, bands.get(line.key) ?? [], scale);
    },
    isOn: () => isFront,
    before: () => rescale(),
    after(from, to) {
      paintBehind(from, to);
      const at = roll.handle(shared.selected.key);
      if (at) scroller.setAttribute("aria-activedescendant", at.lane.id);
      else scroller.removeAttribute("aria-activedescendant");
    },
  });

  const fitting = () => (scroller.clientWidth - scale.label - RIGHT_PX) / extent;
  /** Find out how much time there is, and how much of it is in view. */
  const rescale = () => {
    const { head } = shared.snapshot;
    const wasLast = chosen !== null && scroller.scrollLeft + scroller.clientWidth >= scroller.scrollWidth - 4;
    const now = runTime(head, headTold, performance.now());
    const ends = [...shared.rows.values()].map((told) => timesOf(told, performance.now())?.[1] ?? 0);
    const closed = [...bands.values()].flatMap((list) => list.map((band) => band.end ?? now));
    const longest = [...ends, ...closed].reduce((most, end) => Math.max(most, end), 0.001);
    extent = head.going ? withRoom(Math.max(longest, now)) : longest;
    const label = scroller.clientWidth < 520 ? 120 : 190;
    scale = { ...scale, now, label };
    if (chosen !== null && chosen <= fitting()) chosen = null;
    const perSecond = chosen ?? Math.max(fitting(), 1e-6);
    frame.style.setProperty("--nbflow-label", `${label}px`);
    const width = chosen === null ? "100%" : `${label + extent * perSecond + RIGHT_PX}px`;
    if (area.style.width !== width) area.style.width = axis.style.width = width;
    if (wasLast && head.going) scroller.scrollLeft = scroller.scrollWidth;
    const left = scroller.scrollLeft + label;
    scale = { perSecond, now, label, left, right: scroller.scrollLeft + scroller.clientWidth };
    roll.touchAll();
  };
  /** Paint the ticks, and what is behind the rows from `from` to `to`. @param {number} from @param {number} to */
  const paintBehind = (from, to) => {
    const { perSecond, label, left, right, now } = scale;
    const ticks = ticksBetween((left - label) / perSecond, (right - label) / perSecond, perSecond);
    axis.replaceChildren(make("div", "nbflow-axis-corner", "Task"), ...ticks.map(({ at, text }) => {
      const tick = make("span", "nbflow-tick", text);
      tick.style.left = `${label + at * perSecond}px`;
      return tick;
    }));
    const parts = ticks.map(({ at }) => {
      const tick = make("div", "nbflow-tick-line");
      tick.style.left = `${label + at * perSecond}px`;
      return tick;
    });
    roll.entries.forEach((line, at) => {
      if (line.row || at >= to || !bands.has(line.key)) return;
      const end = endOfBox(roll.entries, at);
      if (end <= from) return;
      for (const band of bands.get(line.key) ?? []) {
        const stretch = stretchOf(band.start, band.end ?? now, scale);
        if (!stretch.isSeen) continue;
        const part = make("div", `nbflow-band nbflow-block-${band.status}`);
        part.dataset.box = line.key;
        part.style.cssText = `left:${stretch.x}px;width:${stretch.width}px;` +
          `top:${at * ROW_HEIGHT}px;height:${(end - at) * ROW_HEIGHT}px`;
        parts.push(part);
      }
    });
    if (shared.snapshot.head.going) {
      const line = make("div", "nbflow-now");
      line.style.left = `${label + now * perSecond}px`;
      parts.push(line);
    }
    behind.replaceChildren(...parts);
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
  /** What stands in the tip of a row. @param {Line} line */
  const tipLines = (line) => {
    if (!line.row) {
      const found = bands.get(line.key) ?? [];
      const each = found.slice(0, 8).map((band) => `${bandText(band, scale.now)}, from ${formatSeconds(band.start)}`);
      return [line.name, "resource", ...(each.length ? each : ["not opened"])];
    }
    const told = shared.rows.get(line.key);
    const times = timesOf(told, performance.now());
    const state = told?.data.line ?? "";
    if (!times) return [line.name, state, "has no time yet"];
    const took = formatSeconds(times[1] - times[0]);
    const end = told?.data.going ? `, ${took} so far` : ` to ${formatSeconds(times[1])}, took ${took}`;
    return [line.name, state, `from ${formatSeconds(times[0])}${end}`, ...(told?.data.note ? [told.data.note] : [])];
  };
  /** @param {string} key @param {number | null} x  where in the page; null: beside its bar */
  const showTip = (key, x) => {
    const parts = roll.handle(key);
    const line = roll.entries[roll.place(key)];
    if (!parts || !line) return tip.hide();
    const target = (parts.bar.hidden ? parts.icon : parts.bar).getBoundingClientRect();
    const edge = scroller.getBoundingClientRect();
    tip.show(tipLines(line), x ?? Math.min(edge.right, target.right), parts.lane.getBoundingClientRect().top);
  };
  scroller.addEventListener("pointerover", (event) => {
    const lane = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-key]"));
    if (lane) showTip(lane.dataset.key ?? "", event.clientX);
    else tip.hide();
  });
  frame.addEventListener("pointerleave", () => tip.hide());
  scroller.addEventListener("scroll", () => tip.hide(), { passive: true });
  scroller.addEventListener("blur", () => tip.hide());
  scroller.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || tip.element.hidden) return;
    event.stopPropagation();
    tip.hide();
  });

  letPick(shared, scroller, roll, () => Math.floor(scroller.clientHeight / ROW_HEIGHT) - 2);
  shared.on("select", ({ key }) => {
    if (isFront && document.activeElement === scroller) requestAnimationFrame(() => showTip(key, null));
  });
  frame.prepend(makeTimeZoom(scroller, signal, zoom), scroller);
  element.append(frame, none);

  const refill = () => {
    if (!isFront) return;
    const found = matchingLines(lines, shared.matches);
    const count = countTasks(found);
    const { number, going } = shared.snapshot.head;
    const hasTimes = bands.size > 0 || going || [...shared.rows.values()].some((told) => told.data.start !== null);
    frame.hidden = !hasTimes || !count;
    none.hidden = !frame.hidden;
    say(none, hasTimes ? "No task matches the filter." :
      number === null ? "Times show once the flow runs." : "No task of this run took any time.");
    roll.fill(found);
  };
  const renew = () => {
    bands = bandsOf(shared.snapshot.spans);
    refill();
  };
  shared.on("picture", () => {
    lines = outlineOf(shared.order, shared.picture.boxes);
    chosen = null;
    renew();
  });
  shared.on("filter", refill);
  shared.on("patch", (/** @type {import("./text.mjs").Patch} */ patch) => {
    headTold = performance.now();
    if (!isFront) return;
    if (Object.keys(patch.spans).length) bands = bandsOf(shared.snapshot.spans);
    if (frame.hidden || shared.filter.states.size) refill();
    roll.plan();
  });
  shared.on("view", (name) => {
    isFront = name === "timeline";
    if (!isFront) return tip.hide();
    renew();
    roll.update();
    roll.reveal(shared.selected.key);
  });
  everySecond(signal, () => {
    if (isFront && shared.snapshot.head?.going) roll.plan();
  });
  return element;
}
