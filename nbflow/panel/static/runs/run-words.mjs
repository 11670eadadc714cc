// @ts-check
/** What there is to say of a run in a list, in words. */

/**
 * What it is called, how it came to be, what it was given, and what somebody has said of it.
 * @param {{name: string, kind: string, parameters: string, tags: string, note: string, held?: string}} run
 */
export function runWords({ name, kind, parameters, tags, note, held }) {
  const words = [name, kind, parameters, tags && `tagged ${tags}`, held && `values: ${held}`, note];
  return words.filter(Boolean).join("; ");
}

/**
 * When a run began, as short as it can be said: the time today, else the day as well.
 * @param {number | null} started  in seconds since the epoch  @param {Date} now
 */
export function startText(started, now) {
  if (started === null) return "–"; // it was over before it began
  const then = new Date(started * 1000);
  const time = then.toTimeString().slice(0, 8);
  if (then.toDateString() === now.toDateString()) return time;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`;
}
