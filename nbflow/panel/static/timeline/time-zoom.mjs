// @ts-check
/** How much time fits into the view: all of it, or what buttons, keys and the wheel with Ctrl have chosen. */
import { make } from "../common/dom.mjs";
import { toolButton } from "../graph/graph-tools.mjs";

const ZOOM_FACTOR = 1.6;
// Neither more pixels in a line than a browser lays out well, nor finer than times are told.
const MOST_PX = 2_000_000;
const MOST_PER_SECOND = 50_000;

/** The pixels of a second after zooming; null when all fits again. @param {number} perSecond @param {number} factor
 * @param {number} fit  @param {number} extent  seconds  @returns {number | null} */
export function timeZoomed(perSecond, factor, fit, extent) {
  const most = Math.max(fit, Math.min(MOST_PER_SECOND, MOST_PX / extent));
  const wanted = Math.min(most, perSecond * factor);
  return wanted <= fit * 1.001 ? null : wanted;
}

/**
 * Buttons to zoom, and the same by keys and wheel on `scroller`.
 * @param {HTMLElement} scroller  @param {AbortSignal} signal
 * @param {(factor: number, x: number | null) => void} zoom  factor 0 fits all; `x`: a place in the view to keep
 */
export function makeTimeZoom(scroller, signal, zoom) {
  const element = make("div", "nbflow-timezoom");
  for (const [label, keys, factor, icon] of /** @type {[string, string, number, string][]} */ ([
    ["zoom out", "-", 1 / ZOOM_FACTOR, "M3 8h10"],
    ["zoom in", "+", ZOOM_FACTOR, "M3 8h10M8 3v10"],
    ["fit all times", "0", 0, "M2 3v10M14 3v10M4.5 8h7M6.5 6l-2 2 2 2M9.5 6l2 2-2 2"],
  ])) {
    const hint = `${label[0].toUpperCase()}${label.slice(1)} (${keys})`;
    element.append(toolButton(label, hint, icon, () => zoom(factor, null)));
  }
  scroller.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const factor = { "+": ZOOM_FACTOR, "=": ZOOM_FACTOR, "-": 1 / ZOOM_FACTOR, _: 1 / ZOOM_FACTOR, 0: 0, f: 0 }[event.key];
    if (factor === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    zoom(factor, null);
  });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const x = event.clientX - scroller.getBoundingClientRect().left;
    zoom(Math.exp(-Math.max(-200, Math.min(200, event.deltaY)) / 240), x);
  }, { signal, passive: false });
  return element;
}
