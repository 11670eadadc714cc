// @ts-check
/**
 * The rows of the timeline: a task with its bar, or a block's heading with what is said of its resource.
 *
 * @typedef {import("../table/outline.mjs").Line} Line
 * @typedef {import("./time-scale.mjs").Band} Band
 * @typedef {{lane: HTMLElement, title: HTMLElement, icon: HTMLElement, bar: HTMLElement, label: HTMLElement, texts: HTMLElement[]}} Lane
 * @typedef {{perSecond: number, now: number, label: number, left: number, right: number}} Scale
 *   `now` in seconds since the run's start; `label`: where time begins; `left` and `right`: what of it is in view;
 *   all but `now` in pixels
 */
import { make, say } from "../common/dom.mjs";
import { elapsed, formatSeconds, shortName, withClass } from "../common/format.mjs";

const WAITING = new Set(["NotRun", "Pending", "Scheduled", "Queued", "Submitted", "Paused", "Resume"]);
// Room for a duration beside or in a bar.
const TEXT_PX = 74;
const LEAST_PX = 4;

/** @param {Line} line @returns {Lane} */
export function makeLane({ key, name, depth, row }) {
  const icon = make("span", "nbflow-lane-icon");
  const words = make("span", "nbflow-lane-name", row ? shortName(row) : name);
  const title = make("div", `nbflow-lane-title nbflow-${row?.kind ?? "block"}`, [icon, words]);
  title.style.setProperty("--nbflow-depth", String(depth));
  const bar = make("div", "nbflow-lane-bar", "", { hidden: "" });
  const label = make("span", "nbflow-lane-time");
  const [classes, parts] = row ? ["nbflow-lane", [title, bar, label]] : ["nbflow-lane nbflow-lane-box", [title]];
  const lane = make("div", classes, parts, { role: "option", "data-key": key });
  return { lane, title, icon, bar, label, texts: [] };
}

/**
 * Where a stretch of time lies and how wide it is, cut to what is in view.
 * @param {number} start  @param {number} end  @param {Scale} scale
 */
export function stretchOf(start, end, { perSecond, label, left, right }) {
  const from = label + start * perSecond;
  const to = Math.max(label + end * perSecond, from + LEAST_PX);
  const isSeen = to >= left && from <= right;
  const x = Math.max(from, left - 8);
  return { x, width: Math.max(0, Math.min(to, right + 8) - x), isSeen };
}

/**
 * When a task ran, in seconds since the run's start; null if it has not.
 * @param {import("../common/store.mjs").Told | undefined} told  @param {number} now  in milliseconds
 * @returns {[start: number, end: number] | null}
 */
export function timesOf(told, now) {
  if (!told || told.data.start === null) return null;
  const { start, seconds, going } = told.data;
  return [start, start + (elapsed(seconds, going, told.toldAt, now) ?? 0)];
}

/** @param {Lane} parts @param {Line} line @param {import("../common/store.mjs").Told | undefined} told @param {Scale} scale */
export function paintTaskLane({ lane, icon, bar, label }, line, told, scale) {
  const { state, line: text } = told?.data ?? { state: "NotRun", line: "" };
  const times = timesOf(told, performance.now());
  lane.dataset.state = state;
  icon.className = withClass(icon.className, "nbflow-state-", state);
  say(icon, text.split(" ")[0]);
  lane.setAttribute("aria-label", taskText(line.name, told?.data ?? { state, line: text, going: false }, times));
  // What goes on ends at the line of now, though the kernel told its time a moment before.
  const stretch = times && stretchOf(times[0], told?.data.going ? scale.now : times[1], scale);
  bar.hidden = label.hidden = !stretch?.isSeen;
  if (!times || !stretch?.isSeen) return;
  bar.className = withClass(bar.className, "nbflow-state-", state);
  bar.style.left = `${stretch.x}px`;
  bar.style.width = `${stretch.width}px`;
  say(label, formatSeconds(times[1] - times[0]));
  const isWithin = stretch.width >= TEXT_PX;
  const isBefore = !isWithin && stretch.x + stretch.width + TEXT_PX > scale.right && stretch.x - TEXT_PX > scale.left;
  label.className = withClass("nbflow-lane-time", "nbflow-state-", state);
  label.classList.toggle("nbflow-within", isWithin);
  const x = isWithin ? Math.max(stretch.x, scale.left) : isBefore ? stretch.x - TEXT_PX : stretch.x + stretch.width;
  label.style.left = `${x}px`;
  label.style.textAlign = isBefore ? "right" : "left";
}

/** @param {Lane} parts @param {Line} line @param {Band[]} bands @param {Scale} scale */
export function paintBoxLane(parts, line, bands, scale) {
  const last = bands.at(-1);
  parts.icon.className = withClass(parts.icon.className, "nbflow-block-", last?.status ?? "closed");
  say(parts.icon, last?.line.split(" ")[0] ?? "○");
  parts.lane.setAttribute("aria-label", boxText(line.name, bands, scale.now));
  while (parts.texts.length > bands.length) parts.texts.pop()?.remove();
  bands.forEach((band, i) => {
    parts.texts[i] ??= parts.lane.appendChild(make("span", "nbflow-lane-open"));
    const stretch = stretchOf(band.start, band.end ?? scale.now, scale);
    const after = bands[i + 1];
    const limit = after ? scale.label + after.start * scale.perSecond : scale.right;
    const x = Math.max(stretch.x, scale.left);
    const text = parts.texts[i];
    text.hidden = !stretch.isSeen;
    say(text, bandText(band, scale.now));
    // What has little room to the right of its start stands to the left of its end.
    const room = limit - x;
    const isLate = !after && room < 150;
    text.style.left = isLate ? `${Math.max(scale.left, stretch.x + stretch.width - 220)}px` : `${x}px`;
    text.style.width = isLate ? "220px" : `${Math.max(0, room)}px`;
    text.style.textAlign = isLate ? "right" : "left";
  });
}

/** What is said of an open interval, as `● open · 12.3 s`. @param {Band} band @param {number} now */
export function bandText({ line, start, end, count }, now) {
  const many = count > 1 ? ` · ${count.toLocaleString("en")} of them` : "";
  return `${line} · ${formatSeconds((end ?? now) - start)}${many}`;
}

/**
 * A task in words, as a screen reader says it.
 * @param {string} name  @param {{state: string, line: string, going: boolean}} data  @param {[number, number] | null} times
 */
export function taskText(name, { state, line, going }, times) {
  const word = line.replace(/^\S+ /, "");
  if (!times) return `${name}, ${word}, ${noTime(state)}`;
  const took = `${going ? "for" : "took"} ${formatSeconds(times[1] - times[0])}${going ? " so far" : ""}`;
  return `${name}, ${word}, started at ${formatSeconds(times[0])}, ${took}`;
}

/** Why there is no bar. @param {string} state */
function noTime(state) {
  return WAITING.has(state) ? "not started yet" : "was not run";
}

/** A block in words. @param {string} name @param {Band[]} bands @param {number} now */
export function boxText(name, bands, now) {
  if (!bands.length) return `resource ${name}, not opened`;
  const each = bands.map((band) =>
    `${bandText(band, now).replace(/^\S+ /, "").replaceAll(" · ", ", ")}, from ${formatSeconds(band.start)}`);
  return `resource ${name}, ${each.join("; ")}`;
}

/** What a task's tip says, line by line. @param {Line} line @param {import("../common/store.mjs").Told | undefined} told
 * @param {string} [place]  which worker had it, if one had */
export function taskLines(line, told, place = "") {
  const times = timesOf(told, performance.now());
  const state = told?.data.line ?? "";
  if (!told || !times) return [line.name, state, noTime(told?.data.state ?? "NotRun"), told?.data.note ?? ""].filter(Boolean);
  const took = formatSeconds(times[1] - times[0]);
  const end = told.data.going ? `, ${took} so far` : ` to ${formatSeconds(times[1])}, took ${took}`;
  const where = place && `on ${place}`;
  return [line.name, state, `from ${formatSeconds(times[0])}${end}`, where, told.data.note].filter(Boolean);
}

/** What a block's tip says. @param {Line} line @param {Band[]} bands @param {number} now */
export function boxLines(line, bands, now) {
  const each = bands.slice(0, 8).map((band) => `${bandText(band, now)}, from ${formatSeconds(band.start)}`);
  if (bands.length > 8) each.push(`and ${bands.length - 8} more`);
  return [line.name, "resource", ...(each.length ? each : ["not opened"])];
}
