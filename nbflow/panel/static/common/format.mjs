// @ts-check
/**
 * What is said of names and numbers, and what a patch does to a snapshot. Needs no page.
 *
 * A row on the wire is a list, see `Row`; the kernel's side of all this is `nbflow/panel/picture/static_snapshot.py`.
 *
 * @typedef {{flow: string, number: number | null, state: string, line: string, note: string,
 *   seconds: number | null, held_s?: number, remaining?: number | null, going: boolean, total: number, done: number,
 *   counts: [string, string, number][], open: [string, string, string][], leaks: string[],
 *   mode: "new" | "going" | "held" | "over", next: string, why: string, toldAt?: number,
 *   look: string, failure?: [key: string, index: number | null] | null}} Head
 *   `toldAt`: when it came, by `performance.now()`
 * @typedef {{state: string, line: string, start: number | null, seconds: number | null, going: boolean,
 *   note: string, parts?: import("./time-parts.mjs").WireParts | null}} Row
 *   `parts`: of what worked less than from its start to its end, and of maps
 * @typedef {[state: string, line: string, start: number | null, seconds: number | null, going: 0 | 1,
 *   note: string, parts?: import("./time-parts.mjs").WireParts]} WireRow
 * @typedef {[string, string]} Mark
 * @typedef {[box: string, start: number, end: number | null, status: string, line: string, count: number]} Span
 * @typedef {{head: Head, nodes: Record<string, Mark>, clusters: Record<string, Mark>,
 *   rows: Record<string, WireRow>, spans: Record<string, Span>,
 *   bars: Record<string, import("../timeline/workers.mjs").WireBar>}} Patch
 * @typedef {{key: string, name: string, kind: string, box: string, home: string, depth: number,
 *   mapped: boolean}} RowName
 * @typedef {{key: string, name: string, depth: number, home: string}} BoxName
 * @typedef {{rows: RowName[], boxes: BoxName[]}} Picture
 * @typedef {{svg: string, problem: string, pending: boolean, shown: Record<string, string>,
 *   folds: Record<string, boolean>}} Drawing
 */

/**
 * Read a row. What goes on was told when it changed last, which may be long ago: the run's own time is newer.
 * @param {WireRow} wire  @param {number | null} [runSeconds]  how long the run has gone on
 * @returns {Row}
 */
export function readRow([state, line, start, told, going, note, parts = undefined], runSeconds = null) {
  const isNewer = going === 1 && start !== null && runSeconds !== null;
  const seconds = isNewer ? Math.max(told ?? 0, runSeconds - start) : told;
  return { state, line, start, seconds, going: going === 1, note, ...(parts && { parts }) };
}

/** Note when a patch came: views made later count its times from then on. @param {Patch} patch */
export function stamp(patch) {
  if (patch.head) patch.head.toldAt = performance.now(); // a new widget holds nothing yet
  return patch;
}

/**
 * How long a run has gone on, by what the kernel said last and what has passed here since.
 * @param {Pick<Head, "seconds" | "going" | "toldAt">} head  @param {number} now  in milliseconds
 */
export function runTime({ seconds, going, toldAt }, now) {
  return elapsed(seconds ?? 0, going, toldAt ?? now, now) ?? 0;
}

/**
 * Seconds as a person reads them: `3 ms`, `0.24 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`.
 * @param {number | null} seconds
 */
export function formatSeconds(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  const positive = Math.max(0, seconds);
  if (positive < 0.0995) return `${Math.round(positive * 1000)} ms`;
  if (positive < 9.995) return `${positive.toFixed(2)} s`;
  if (positive < 59.95) return `${positive.toFixed(1)} s`;
  const whole = Math.round(positive);
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/**
 * How long a run has taken, how much of that somebody was waited for, and how long it still takes if that is known.
 * @param {Pick<Head, "held_s" | "remaining" | "going" | "mode" | "toldAt">} head  @param {number | null} taken  in seconds
 * @param {number} now  in milliseconds
 */
export function timeText({ held_s: held = 0, remaining = null, going, mode, toldAt }, taken, now) {
  if (taken === null) return "";
  const since = going && toldAt !== undefined ? Math.max(0, now - toldAt) / 1000 : 0;
  const waited = held + (mode === "held" ? since : 0);
  const parts = [formatSeconds(taken)];
  if (waited >= 1) parts.push(`${formatSeconds(waited)} of it waiting for you`);
  const left = (remaining ?? 0) - since;
  if (going && mode === "going" && left >= 1) parts.push(`about ${formatSeconds(Math.round(left))} left`);
  return parts.join(", ");
}

/**
 * A time that goes on: what the kernel said, and what has passed here since. The two clocks never meet.
 * @param {number | null} seconds
 * @param {boolean} going
 * @param {number} toldAt  @param {number} now  both in milliseconds
 */
export function elapsed(seconds, going, toldAt, now) {
  if (seconds === null) return null;
  return going ? seconds + Math.max(0, now - toldAt) / 1000 : seconds;
}

/**
 * Put a patch into a snapshot, in place: views made later start from it.
 * @param {Patch} snapshot  @param {Patch} patch
 */
export function merge(snapshot, patch) {
  snapshot.head = patch.head;
  Object.assign(snapshot.nodes, patch.nodes);
  Object.assign(snapshot.clusters, patch.clusters);
  Object.assign(snapshot.rows, patch.rows);
  Object.assign(snapshot.spans, patch.spans);
  Object.assign(snapshot.bars, patch.bars);
  return snapshot;
}

/**
 * Swap the one class that starts with `start`.
 * @param {string} classes  @param {string} start  @param {string} name
 */
export function withClass(classes, start, name) {
  const kept = classes.split(/\s+/).filter((c) => c && !c.startsWith(start));
  return [...kept, start + name].join(" ");
}

/** A line without its icon: `Running` of `◐ Running`. @param {string} line */
export function wordOf(line) {
  return line.replace(/^[^\p{L}\p{N}]+/u, "");
}

/** @param {string} text @param {number} length */
export function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/**
 * The progress in words: `7 of 12 done: 1 failed, 6 success`.
 * @param {Head} head
 */
export function progressText(head) {
  const parts = head.counts.filter(([name]) => name !== "Pending").map(([, word, n]) => `${n} ${word}`);
  return `${head.done} of ${head.total} done` + (parts.length ? `: ${parts.join(", ")}` : "");
}

/**
 * What a run would do next that is held at no task; where it is held at one, its line says so.
 * @param {Pick<Head, "mode" | "next">} head
 */
export function whereText({ mode, next }) {
  return mode === "held" && next ? `next: ${next}` : "";
}

/**
 * What a task is called in a list: init, setup and cleanup stand below their block's name already.
 * @param {RowName} row
 */
export function shortName({ name, kind, box }) {
  if (kind === "init" && name === box) return "init";
  const within = kind === "setup" || kind === "cleanup";
  return within && name.startsWith(`${box}.`) ? name.slice(box.length + 1) : name;
}
