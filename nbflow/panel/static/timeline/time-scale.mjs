// @ts-check
/** Times along a line: ticks at round numbers, how they are written, and intervals joined to bands. */

const ROUND = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const ROOMY = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
// Of several intervals at once, the status that matters most to a reader.
const LOUDEST = ["leaked", "kept", "closing", "open", "opening", "closed", "cleaned"];

/** The smallest round number of seconds that is not below `least`. @param {number} least */
export function roundStep(least) {
  if (least > 86400) return Math.ceil(least / 86400) * 86400;
  const found = least > 1 ? ROUND.find((step) => step >= least) : undefined;
  if (found !== undefined) return found;
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)));
  return [1, 2, 5, 10].map((n) => Number((n * power).toPrecision(1))).find((step) => step >= least * 0.999) ?? 1;
}

/**
 * The ticks between two times, at most one every `gap` pixels.
 * @param {number} from  @param {number} to  @param {number} perSecond  pixels  @param {number} [gap]
 * @returns {{at: number, text: string}[]}
 */
export function ticksBetween(from, to, perSecond, gap = 84) {
  const step = roundStep(gap / perSecond);
  const ticks = [];
  for (let n = Math.max(0, Math.ceil(from / step)); n * step <= to && ticks.length < 500; n++) {
    ticks.push({ at: n * step, text: tickText(n * step, step) });
  }
  return ticks;
}

/** A time as a tick says it: `250 ms`, `1.5 s`, `2:30`, `4 min`, `1 h 30`. @param {number} seconds @param {number} step */
export function tickText(seconds, step) {
  if (seconds === 0) return "0";
  const digits = step < 1 ? Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)) : 0;
  if (seconds < 0.9995 && step < 1) return `${Number((seconds * 1000).toFixed(Math.max(0, digits - 3)))} ms`;
  if (seconds < 60) return `${seconds.toFixed(digits)} s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const two = (/** @type {number} */ n, places = 0) => n.toFixed(places).padStart(places ? places + 3 : 2, "0");
  if (step >= 3600) return `${hours} h`;
  if (step >= 60) return hours ? `${hours} h ${two(minutes)}` : `${minutes} min`;
  const rest = two(seconds % 60, digits);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** Somewhat more than `seconds`, in steps: an axis for what still grows changes seldom. @param {number} seconds */
export function withRoom(seconds) {
  const wanted = Math.max(seconds, 0.1) * 1.04;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return (ROOMY.find((n) => n * power >= wanted) ?? 10) * power;
}

/**
 * The open intervals of each box; those that overlap are one band, which counts them.
 * @typedef {{start: number, end: number | null, status: string, line: string, count: number}} Band
 * @param {Record<string, import("../common/format.mjs").Span>} spans
 * @returns {Map<string, Band[]>}
 */
export function bandsOf(spans) {
  /** @type {Map<string, Band[]>} */
  const bands = new Map();
  for (const [box, start, end, status, line, count] of Object.values(spans).sort((a, b) => a[1] - b[1])) {
    const known = bands.get(box);
    const last = known?.at(-1);
    const band = { start, end, status, line, count };
    if (!known) bands.set(box, [band]);
    else if (!last || (last.end !== null && start >= last.end)) known.push(band);
    else {
      last.count += count;
      last.end = last.end === null || end === null ? null : Math.max(last.end, end);
      if (LOUDEST.indexOf(status) < LOUDEST.indexOf(last.status)) Object.assign(last, { status, line });
    }
  }
  return bands;
}
