// @ts-check
/**
 * The spans of tasks and of the children of maps, as `nbflow/panel/timeline/span_lanes.py` tells them. Needs no page.
 *
 * @typedef {[kind: string, start: number, end: number | null, attempt: number, state: string]} Span
 *   kind: "work", "delay", "hold", "slot", or "many" for several attempts; in seconds since the run's start
 * @typedef {{state: string, line: string, spans: Span[]}} Child
 * @typedef {{run: number, whole: boolean, lanes: Record<string, Span[]>, maps: Record<string, number>,
 *   children: Record<string, Record<string, [state: string, line: string, spans: Span[]]>>}} ToldSpans
 */
import { formatSeconds } from "../common/format.mjs";
import { UNFINISHED } from "../common/state-traits.mjs";

/** What is waited for, as the legend says it. @type {[kind: string, words: string][]} */
export const SPAN_KINDS = [
  ["work", "work, a bar each attempt"],
  ["delay", "waits to be tried again"],
  ["hold", "held, waits for you"],
  ["slot", "waits for a place"],
];

/** What is known of the spans of a run. */
export function makeSpans() {
  /** @type {Map<string, Span[]>} */
  const lanes = new Map();
  /** @type {Map<string, Map<number, Child>>} */
  const children = new Map();
  /** @type {Map<string, number>} */
  const maps = new Map();
  const clear = () => [lanes, children, maps].forEach((map) => map.clear());
  return {
    clear,
    maps,
    /** @param {ToldSpans} told */
    take(told) {
      if (told.whole) clear();
      for (const [key, spans] of Object.entries(told.lanes)) lanes.set(key, spans);
      for (const [key, count] of Object.entries(told.maps)) maps.set(key, count);
      for (const [key, found] of Object.entries(told.children)) {
        const known = children.get(key) ?? new Map();
        children.set(key, known);
        for (const [index, [state, line, spans]] of Object.entries(found)) known.set(Number(index), { state, line, spans });
      }
    },
    /** @param {string} key @returns {Span[] | undefined} */
    of: (key) => lanes.get(key),
    /** @param {string} key @param {number} index @returns {Child | undefined} */
    child: (key, index) => children.get(key)?.get(index),
    /** @param {string} key @returns {Map<number, Child>} */
    childrenOf: (key) => children.get(key) ?? new Map(),
    /** Which kinds of spans there are. */
    kinds() {
      const all = [...lanes.values(), ...[...children.values()].flatMap((own) => [...own.values()].map(({ spans }) => spans))];
      return new Set(all.flat().map(([kind]) => (kind === "many" ? "work" : kind)));
    },
    /** When the last span ends. @param {number} now */
    end(now) {
      let last = 0;
      const look = (/** @type {Span[]} */ spans) => {
        const span = spans.at(-1);
        if (span) last = Math.max(last, span[2] ?? now);
      };
      lanes.forEach(look);
      children.forEach((own) => own.forEach(({ spans }) => look(spans)));
      return last;
    },
  };
}

/** From when to when there are spans; null if there are none. @param {Span[]} spans @param {number} now
 * @returns {[number, number] | null} */
export function stretchOfSpans(spans, now) {
  return spans.length ? [spans[0][1], spans[spans.length - 1][2] ?? now] : null;
}

/**
 * The state that a bar is painted in: that in which its attempt ended, the last one as its task now stands.
 * @param {Span} span  @param {boolean} isLast  @param {string} state
 */
export function stateOfSpan([kind, , end, , ended], isLast, state) {
  if (kind === "many") return "Retrying";
  if (end === null) return UNFINISHED.has(state) ? state : "Running";
  return isLast && !UNFINISHED.has(state) && state !== "Pending" ? state : ended || state;
}

/** @param {Span[]} spans @param {number} now */
export function sumsOf(spans, now) {
  /** @type {Record<string, number>} */
  const seconds = { work: 0, delay: 0, hold: 0, slot: 0 };
  let attempts = 0;
  for (const [kind, start, end, attempt] of spans) {
    seconds[kind === "many" ? "work" : kind] += Math.max(0, (end ?? now) - start);
    attempts += kind === "work" ? 1 : kind === "many" ? attempt : 0;
  }
  const grows = spans.at(-1)?.[2] === null ? spans[spans.length - 1][0] : "";
  return { work: seconds.work, delay: seconds.delay, hold: seconds.hold, slot: seconds.slot, attempts, grows, children: null };
}

/**
 * What a tip says of one span: `attempt 2: Failed, 1.20 s`.
 * @param {Span} span  @param {number} now  @param {string} word  of the state that it is painted in
 */
export function spanText([kind, start, end, attempt], now, word) {
  const time = `${formatSeconds(Math.max(0, (end ?? now) - start))}${end === null ? " so far" : ""}`;
  if (kind === "many") return `${attempt.toLocaleString("en")} attempts, ${time}: zooming does not tell them apart, there are too many`;
  if (kind === "work") return `attempt ${attempt}: ${word}, ${time}`;
  if (kind === "delay") return `waits to be tried again: ${time}`;
  if (kind === "hold") return `held, waits for you: ${time}`;
  return `waits for a place, or for its block to open: ${time}`;
}

/** What stands in a span if there is room. @param {Span} span @param {number} now */
export function shortSpanText([kind, start, end, attempt], now) {
  if (kind === "many") return `${attempt.toLocaleString("en")} attempts`;
  return kind === "hold" ? `held ${formatSeconds(Math.max(0, (end ?? now) - start))}` : kind === "delay" ? "retry later" : "";
}
