// @ts-check
/** What is behind the rows of the timeline: round times, the bands of resources, and now. */
import { make } from "../common/dom.mjs";
import { stretchOf } from "./lanes.mjs";
import { endOfBox } from "../table/outline.mjs";
import { ticksBetween } from "./time-scale.mjs";

/** How high a row is in pixels, as timeline.css has it. */
export const ROW_HEIGHT = 26;
// A tick with less room than this at its right has its text at its left.
const TICK_ROOM = 48;

/**
 * @param {{axis: HTMLElement, behind: HTMLElement, scale: import("./lanes.mjs").Scale, title: string,
 *   lines: import("../table/outline.mjs").Line[], from: number, to: number,
 *   bands: Map<string, import("./time-scale.mjs").Band[]>, going: boolean}} what  lines from `from` to `to` are in the page
 */
export function paintBackdrop({ axis, behind, scale, title, lines, from, to, bands, going }) {
  const { perSecond, label, left, right, now } = scale;
  const ticks = ticksBetween((left - label) / perSecond, (right - label) / perSecond, perSecond);
  axis.replaceChildren(make("div", "nbflow-axis-corner", title), ...ticks.map(({ at, text }) => {
    const x = label + at * perSecond;
    const tick = make("span", `nbflow-tick${x + TICK_ROOM > right ? " nbflow-tick-last" : ""}`, text);
    tick.style.left = `${x}px`;
    return tick;
  }));
  const parts = ticks.map(({ at }) => standing("nbflow-tick-line", label + at * perSecond));
  for (let at = 0; at < to; at++) {
    const found = lines[at].row ? undefined : bands.get(lines[at].key);
    const end = found ? endOfBox(lines, at) : 0;
    if (!found || end <= from) continue;
    for (const band of found) {
      const stretch = stretchOf(band.start, band.end ?? now, scale);
      if (!stretch.isSeen) continue;
      const part = standing(`nbflow-band nbflow-block-${band.status}`, stretch.x);
      part.dataset.box = lines[at].key;
      part.style.width = `${stretch.width}px`;
      part.style.top = `${at * ROW_HEIGHT}px`;
      part.style.height = `${(end - at) * ROW_HEIGHT}px`;
      parts.push(part);
    }
  }
  if (going) parts.push(standing("nbflow-now", label + now * perSecond));
  behind.replaceChildren(...parts);
}

/** @param {string} classes @param {number} x */
function standing(classes, x) {
  const part = make("div", classes);
  part.style.left = `${x}px`;
  return part;
}
