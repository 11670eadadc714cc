// @ts-check
/**
 * The time of a task told apart, as `nbflow/panel/picture/work_parts.py` tells it: work, and what it waited for. The part that
 * grows is told as it would have been when the run began. Needs no page.
 *
 * @typedef {[work: number, delay: number, hold: number, slot: number, grows: string, rate: number, children: number | null,
 *   attempts: number]} WireParts
 * @typedef {{work: number, delay: number, hold: number, slot: number, grows: string, children: number | null,
 *   attempts: number}} Parts  seconds; `grows`: which of them goes on
 */
import { formatSeconds } from "./format.mjs";

// What took less is not worth a word.
const WORTH_SAYING_S = 0.05;

/** The parts when the run has gone on for so many seconds. @param {WireParts} wire @param {number} runSeconds @returns {Parts} */
export function partsAt([work, delay, hold, slot, grows, rate, children, attempts], runSeconds) {
  const at = (/** @type {number} */ seconds, /** @type {string} */ kind) =>
    Math.max(0, kind === grows ? seconds + rate * runSeconds : seconds);
  return { work: at(work, "work"), delay: at(delay, "delay"), hold: at(hold, "hold"), slot: at(slot, "slot"), grows, children, attempts };
}

/** What a task waited for: `3.00 s waiting for a retry, held 12.0 s`. @param {Parts} parts @param {boolean} [withPlace] */
export function waitsText({ delay, hold, slot, grows }, withPlace = false) {
  const isSaid = (/** @type {number} */ seconds, /** @type {string} */ kind) => seconds >= WORTH_SAYING_S || kind === grows;
  const said = [];
  if (withPlace && isSaid(slot, "slot")) said.push(`${formatSeconds(slot)} waiting for a place`);
  if (isSaid(delay, "delay")) said.push(`${formatSeconds(delay)} waiting for a retry`);
  if (isSaid(hold, "hold")) said.push(`held ${formatSeconds(hold)}`);
  return said.join(", ");
}

/** All of it: `1.20 s work in 2 attempts, 3.00 s waiting for a retry, held 12.0 s`. @param {Parts} parts */
export function partsText(parts) {
  const { work, children, attempts } = parts;
  const of = children !== null ? ` of ${children.toLocaleString("en")} ${children === 1 ? "child" : "children"}`
    : attempts > 1 ? ` in ${attempts.toLocaleString("en")} attempts` : "";
  const worked = attempts || children ? `${formatSeconds(work)} work${of}` : "";
  return [worked, waitsText(parts, true)].filter(Boolean).join(", ");
}
