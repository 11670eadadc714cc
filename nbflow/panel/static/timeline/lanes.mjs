// @ts-check
/**
 * The rows of the timeline: a task with its bar, or a block's heading with what is said of its resource.
 *
 * @typedef {import("../table/outline.mjs").Line} Line
 * @typedef {import("./time-scale.mjs").Band} Band
 * @typedef {import("./spans.mjs").Span} Span
 * @typedef {{lane: HTMLElement, title: HTMLElement, fold: HTMLElement, icon: HTMLElement, bars: HTMLElement[], label: HTMLElement,
 *   texts: HTMLElement[]}} Lane  `bars`: a piece for each span that is in view
 * @typedef {{name: string, state: string, line: string, going: boolean, spans: Span[], parts: import("../common/time-parts.mjs").Parts,
 *   isMap: boolean}} Work  what a lane shows of a task or child
 * @typedef {{perSecond: number, now: number, label: number, left: number, right: number}} Scale
 *   `now` in seconds since the run's start; `label`: where time begins; `left` and `right`: what of it is in view;
 *   all but `now` in pixels
 */
import { make, say } from "../common/dom.mjs";
import { elapsed, formatSeconds, shortName, withClass } from "../common/format.mjs";
import { partsAt, partsText, waitsText } from "../common/time-parts.mjs";
import { shortSpanText, stateOfSpan, stretchOfSpans, sumsOf } from "./spans.mjs";

const WAITING = new Set(["NotRun", "Pending", "Scheduled", "Queued", "Submitted", "Paused", "Resume"]);
// Room for a duration beside or in a bar.
const TEXT_PX = 74;
const LEAST_PX = 4;
// What is waited for is left out where it would be no more than a line.
const LEAST_WAIT_PX = 2;

/** @param {Line} line @param {string} [child]  the number of a child, in brackets @returns {Lane} */
export function makeLane({ key, name, depth, row }, child = "") {
  const fold = make("span", "nbflow-lane-fold", "", { hidden: "" });
  const icon = make("span", "nbflow-lane-icon");
  const words = make("span", "nbflow-lane-name", child || (row ? shortName(row) : name));
  const title = make("div", `nbflow-lane-title nbflow-${row?.kind ?? (child ? "child" : "block")}`, [fold, icon, words]);
  title.style.setProperty("--nbflow-depth", String(depth));
  const label = make("span", "nbflow-lane-time", "", { hidden: "" });
  const isBox = !row && !child;
  const lane = make("div", isBox ? "nbflow-lane nbflow-lane-box" : "nbflow-lane", isBox ? [title] : [title, label], { role: "option" });
  lane.setAttribute(child ? "data-child" : "data-key", key);
  return { lane, title, fold, icon, bars: [], label, texts: [] };
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

/**
 * What a lane shows of a task: its spans, if the kernel has told them, else one from begin to end.
 * @param {string} name  @param {import("../common/store.mjs").Told | undefined} told  @param {Span[] | undefined} spans
 * @param {number} runSeconds  @returns {Work}
 */
export function workOf(name, told, spans, runSeconds) {
  const { state, line, going, parts } = told?.data ?? { state: "NotRun", line: "", going: false, parts: null };
  const times = timesOf(told, performance.now());
  const isMap = Boolean(parts && parts[6] !== null);
  /** @type {Span[]} */
  const known = spans?.length ? spans : times ? [["work", times[0], going ? null : times[1], 1, state]] : [];
  const shown = parts ? partsAt(parts, runSeconds) : sumsOf(known, runSeconds);
  return { name, state, line, going, spans: known, parts: shown, isMap };
}

/** @param {string} name @param {import("./spans.mjs").Child | undefined} child @param {number} runSeconds @returns {Work} */
export function workOfChild(name, child, runSeconds) {
  const { state, line, spans } = child ?? { state: "Pending", line: "", spans: [] };
  const going = spans.at(-1)?.[2] === null;
  return { name, state, line, going, spans, parts: sumsOf(spans, runSeconds), isMap: false };
}

/** @param {Lane} parts @param {Work} work @param {Scale} scale @param {string} [more]  what else is read out */
export function paintTaskLane(parts, work, scale, more = "") {
  const { lane, icon, label } = parts;
  const { state, line, spans } = work;
  lane.dataset.state = state;
  icon.className = withClass(icon.className, "nbflow-state-", state);
  say(icon, line.split(" ")[0]);
  lane.setAttribute("aria-label", workText(work, scale.now) + more);
  const pieces = spans.map((span, i) => {
    // What goes on ends at the line of now, though the kernel told its time a moment before.
    const stretch = stretchOf(span[1], Math.max(span[1], span[2] ?? scale.now), scale);
    const isShort = span[0] !== "work" && ((span[2] ?? scale.now) - span[1]) * scale.perSecond < LEAST_WAIT_PX;
    return { span, stretch: isShort ? { ...stretch, isSeen: false } : stretch, isLast: !spans.slice(i + 1).some(([kind]) => kind === "work") };
  });
  const seen = pieces.filter(({ stretch }) => stretch.isSeen);
  while (parts.bars.length > seen.length) parts.bars.pop()?.remove();
  seen.forEach(({ span, stretch, isLast }, i) => {
    parts.bars[i] ??= lane.appendChild(make("div"));
    paintPiece(parts.bars[i], span, stretch, stateOfSpan(span, isLast, state), work.isMap, scale);
  });
  const last = pieces.at(-1);
  label.hidden = !last?.stretch.isSeen || !spans.some(([kind]) => kind === "work" || kind === "many");
  if (last && !label.hidden) paintLabel(label, work, last, scale);
}

/** @param {HTMLElement} piece @param {Span} span @param {{x: number, width: number}} stretch @param {string} state
 * @param {boolean} isMap @param {Scale} scale */
function paintPiece(piece, span, { x, width }, state, isMap, scale) {
  const [kind] = span;
  const isWork = kind === "work" || kind === "many";
  const look = isWork ? state : { delay: "Retrying", hold: "Paused" }[kind] ?? "Pending";
  const classes = isWork ? `nbflow-lane-bar${kind === "many" ? " nbflow-bar-many" : ""}${isMap ? " nbflow-bar-map" : ""}`
    : `nbflow-lane-wait nbflow-wait-${kind}`;
  piece.className = `${classes} nbflow-state-${look}${span[2] === null ? " nbflow-going" : ""}`;
  piece.dataset.span = `${kind} ${span[1]}`;
  piece.style.left = `${x}px`;
  piece.style.width = `${width}px`;
  say(piece, width >= TEXT_PX + 10 ? shortSpanText(span, scale.now) : "");
}

/** @param {HTMLElement} label @param {Work} work
 * @param {{span: Span, stretch: {x: number, width: number}}} last @param {Scale} scale */
function paintLabel(label, { state, spans, parts }, { span, stretch }, scale) {
  say(label, formatSeconds(parts.work));
  // In the one bar there is; of several it would say more than the last one took.
  const isWithin = stretch.width >= TEXT_PX && span[0] === "work" && spans.every(([kind], i) => kind !== "work" || i === spans.length - 1);
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
 * @param {Work} work  @param {number} now  in seconds since the run's start
 */
export function workText({ name, state, line, going, spans, parts }, now) {
  const word = line.replace(/^\S+ /, "") || "Pending";
  const first = spans.find(([kind]) => kind === "work" || kind === "many");
  if (!first) return [name, word, noTime(state), waitsText(parts, true)].filter(Boolean).join(", ");
  const began = `started at ${formatSeconds(first[1])}`;
  const stretch = stretchOfSpans(spans, now);
  const isPlain = parts.attempts <= 1 && parts.children === null && !waitsText(parts, true) && stretch;
  if (!isPlain) return [name, word, began, partsText(parts)].filter(Boolean).join(", ");
  return `${name}, ${word}, ${began}, ${going ? "for" : "took"} ${formatSeconds(parts.work)}${going ? " so far" : ""}`;
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

/** What a task's tip says, line by line. @param {Work} work @param {number} now  in seconds since the run's start
 * @param {{note?: string, place?: string, span?: string}} [more]  its message, which worker had it, and what is pointed at */
export function taskLines({ name, state, line, going, spans, parts }, now, { note = "", place = "", span = "" } = {}) {
  const worked = spans.filter(([kind]) => kind === "work" || kind === "many");
  const where = place && `on ${place}`;
  if (!worked.length) return [name, line, noTime(state), span || waitsText(parts, true), note].filter(Boolean);
  const start = worked[0][1];
  const end = worked[worked.length - 1][2];
  const isPlain = parts.attempts <= 1 && parts.children === null && !waitsText(parts);
  const took = `${formatSeconds(parts.work)}${going ? " so far" : ""}`;
  const until = end === null ? "" : ` to ${formatSeconds(end)}`;
  const plain = end === null ? `, ${took}` : `, took ${took}`;
  const times = `from ${formatSeconds(start)}${until}${isPlain ? plain : ""}`;
  const told = isPlain ? waitsText(parts, true) : partsText(parts);
  return [name, line, times, told, span, where, note].filter(Boolean);
}

/** What a block's tip says. @param {Line} line @param {Band[]} bands @param {number} now */
export function boxLines(line, bands, now) {
  const each = bands.slice(0, 8).map((band) => `${bandText(band, now)}, from ${formatSeconds(band.start)}`);
  if (bands.length > 8) each.push(`and ${bands.length - 8} more`);
  return [line.name, "resource", ...(each.length ? each : ["not opened"])];
}
