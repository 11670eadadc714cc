// @ts-check
/**
 * Which worker had which tasks: the bars that the kernel tells, put into lanes. Needs no page.
 *
 * @typedef {[key: string, index: number | null, start: number, end: number | null, state: string, line: string,
 *   worker: string]} WireBar  of `nbflow/panel/picture/worker_bars.py`; without a key it stands for `index` children
 * @typedef {{id: string, key: string, index: number | null, name: string, start: number, end: number | null,
 *   state: string, line: string, worker: string}} Bar  `key` is empty for what stands for many
 * @typedef {{key: string, worker: string, level: number, levels: number, bars: Bar[], count: number}} WorkerLane
 *   one of a worker, or of several where it has more than one task at once (`level` from 0); `count`: of all its tasks
 * @typedef {{bars: Bar[], x: number, width: number}} Drawn  several bars where one alone would be too small to see
 */
import { formatSeconds, shortName, wordOf } from "../common/format.mjs";
import { UNFINISHED, urgency } from "../common/state-traits.mjs";

export const KERNEL = "kernel";
export const NOT_KNOWN = "worker not known yet";
const LIFECYCLE = new Set(["init", "setup", "cleanup"]);
// The kernel notes the end of one task and the start of the next one at times that may overlap by so little.
const SLACK_S = 0.002;
const SMALLEST_PX = 4;

/**
 * Read the bars. What a worker has and has not been told whose it is waits in a lane of its own.
 * @param {Record<string, WireBar>} wire  @param {Map<string, import("../common/format.mjs").RowName>} names
 * @returns {Bar[]}
 */
export function readBars(wire, names) {
  return Object.entries(wire).map(([id, [key, index, start, end, state, line, told]]) => {
    const row = names.get(key);
    const name = row ? `${shortName(row)}${index === null ? "" : ` [${index}]`}` : `${(index ?? 0).toLocaleString("en")} more`;
    const isWaiting = key && (end === null || UNFINISHED.has(state)) && !LIFECYCLE.has(row?.kind ?? "");
    return { id, key, index, name, start, end, state, line, worker: told || (isWaiting ? NOT_KNOWN : KERNEL) };
  });
}

/** How many workers there are, the kernel not among them. @param {Record<string, WireBar>} wire */
export function countWorkers(wire) {
  return new Set(Object.values(wire).map((bar) => bar[6]).filter(Boolean)).size;
}

/**
 * A lane for each worker, the kernel first, then as they began; more than one where it has several tasks at once.
 * @param {Bar[]} bars
 * @returns {WorkerLane[]}
 */
export function lanesOf(bars) {
  /** @type {Map<string, Bar[]>} */
  const workers = new Map([[KERNEL, []]]);
  for (const bar of [...bars].sort((a, b) => a.start - b.start)) {
    const known = workers.get(bar.worker);
    if (known) known.push(bar);
    else workers.set(bar.worker, [bar]);
  }
  const waiting = workers.get(NOT_KNOWN);
  if (waiting && workers.delete(NOT_KNOWN)) workers.set(NOT_KNOWN, waiting); // at the end
  return [...workers].flatMap(([worker, own]) => {
    const levels = stacked(own);
    const count = own.reduce((sum, { key, index }) => sum + (key ? 1 : index ?? 0), 0);
    return levels.map((level, i) =>
      ({ key: `worker--${worker}--${i}`, worker, level: i, levels: levels.length, bars: level, count }));
  });
}

/** Bars in as few levels as it takes for none to lie over another. @param {Bar[]} bars  by their start */
function stacked(bars) {
  /** @type {Bar[][]} */
  const levels = [];
  for (const bar of bars) {
    const free = levels.find((level) => (level[level.length - 1].end ?? Infinity) <= bar.start + SLACK_S);
    if (free) free.push(bar);
    else levels.push([bar]);
  }
  return levels;
}

/**
 * What is drawn of a lane: the bars in view, those that would be too small to be told apart as one.
 * @param {Bar[]} bars  @param {import("./lanes.mjs").Scale} scale
 * @returns {Drawn[]}
 */
export function drawnOf(bars, { perSecond, now, label, left, right }) {
  /** @type {Drawn[]} */
  const drawn = [];
  for (const bar of bars) {
    const from = label + bar.start * perSecond;
    const width = ((bar.end ?? now) - bar.start) * perSecond;
    const to = from + Math.max(SMALLEST_PX, width);
    if (to < left || from > right) continue;
    const last = drawn.at(-1);
    if (last && width < SMALLEST_PX && from < last.x + last.width && (last.bars.length > 1 || last.width <= SMALLEST_PX)) {
      last.bars.push(bar);
      last.width = Math.max(last.width, to - last.x);
    } else {
      // What is too small to be seen is drawn larger than it is: the next bar begins where that ends.
      const x = last ? Math.max(from, last.x + last.width) : from;
      drawn.push({ bars: [bar], x, width: Math.max(SMALLEST_PX, to - x) });
    }
  }
  return drawn.map(({ bars: own, x, width }) => {
    const start = Math.max(x, left - 8);
    return { bars: own, x: start, width: Math.min(x + width, right + 8) - start };
  });
}

/** Of several bars the one whose state needs a look most; the first of them. @param {Bar[]} bars */
export function mostUrgent(bars) {
  return bars.reduce((most, bar) => (urgency(bar.state) < urgency(most.state) ? bar : most));
}

/** How long a worker was busy with tasks that may have been there at once. @param {Bar[]} bars @param {number} now */
export function busySeconds(bars, now) {
  let busy = 0;
  let until = 0;
  for (const { start, end } of [...bars].sort((a, b) => a.start - b.start)) {
    const to = end ?? now;
    busy += Math.max(0, to - Math.max(start, until));
    until = Math.max(until, to);
  }
  return busy;
}

/** @param {WorkerLane} lane @param {WorkerLane[]} all @param {number} now @returns {string[]} */
export function workerLines({ worker, count }, all, now) {
  const bars = all.filter((lane) => lane.worker === worker).flatMap((lane) => lane.bars);
  return [worker, countText(count), `busy for ${formatSeconds(busySeconds(bars, now))} of ${formatSeconds(now)}`];
}

/** @param {number} count */
function countText(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "task" : "tasks"}`;
}

/** What a tip says of a bar, or of several that are drawn as one. @param {Bar[]} bars @param {number} now */
export function barLines(bars, now) {
  const [first] = bars;
  if (bars.length > 1) {
    const words = new Map();
    for (const { state, line } of bars) words.set(state, [line, (words.get(state)?.[1] ?? 0) + 1]);
    const counts = [...words].sort(([a], [b]) => urgency(a) - urgency(b)).map(([, [line, count]]) => `${line} ${count}`);
    return [countText(bars.length), ...counts, placeOf(first), "zoom in to tell them apart"];
  }
  const seconds = formatSeconds((first.end ?? now) - first.start);
  const end = first.end === null ? `, ${seconds} so far` : ` to ${formatSeconds(first.end)}, took ${seconds}`;
  const when = `from ${formatSeconds(first.start)}${end}`;
  if (!first.key) return [`${first.name}, not shown one by one`, when, placeOf(first)];
  return [first.name, first.line, when, placeOf(first)];
}

/** @param {Bar} bar */
function placeOf({ worker }) {
  return worker === KERNEL ? "in the kernel" : worker === NOT_KNOWN ? NOT_KNOWN : `on ${worker}`;
}

/** A bar in words, as a screen reader says it. @param {Bar} bar @param {number} now */
export function barText(bar, now) {
  const [name, line, ...rest] = barLines([bar], now);
  return [name, wordOf(line), ...rest].join(", ");
}

/** The selected bar: of a map none of whose children is chosen, the first. @param {Bar[]} bars
 * @param {import("../common/store.mjs").Selection} selected */
export function selectedBar(bars, { key, index }) {
  return bars.find((bar) => key !== "" && bar.key === key && (index === null || bar.index === index));
}

/** Whether a bar is selected, or a child of what is. @param {Bar} bar @param {import("../common/store.mjs").Selection} selected */
export function isSelected(bar, { key, index }) {
  return key !== "" && bar.key === key && (index === null || bar.index === index);
}

/**
 * The bar that a key goes to from one: along its lane, or to what was there at the same time in the next one.
 * @param {WorkerLane[]} lanes  @param {Bar | undefined} from  @param {string} key
 * @returns {Bar | undefined}
 */
export function barAfter(lanes, from, key) {
  const own = lanes.map(({ bars }) => bars.filter((bar) => bar.key)).filter((bars) => bars.length);
  const row = own.findIndex((bars) => from && bars.includes(from));
  if (!["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"].includes(key)) return undefined;
  if (row < 0 || !from) return own[0]?.[0];
  const at = own[row].indexOf(from);
  const last = own[row].length - 1;
  const to = { ArrowRight: Math.min(at + 1, last), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: last }[key];
  if (to !== undefined) return own[row][to];
  const next = own[Math.max(0, Math.min(own.length - 1, row + (key === "ArrowDown" ? 1 : -1)))];
  const middle = (from.start + (from.end ?? from.start)) / 2;
  const away = (/** @type {Bar} */ { start, end }) => Math.max(start - middle, middle - (end ?? Infinity), 0);
  return next === own[row] ? from : next.reduce((best, bar) => (away(bar) < away(best) ? bar : best));
}
