// @ts-check
/** A small box beside what the pointer or the keys are at. It can be pointed at itself, and Escape takes it away. */
import { make } from "./dom.mjs";

const GAP_PX = 14;

/** @param {HTMLElement} frame  positioned; the box stays within it */
export function makeTip(frame) {
  const tip = make("div", "nbflow-tip");
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  frame.append(tip);
  return {
    element: tip,
    hide() { tip.hidden = true; },
    /** Say `lines`, the first in bold, to the right of a point of the page if there is room. @param {string[]} lines
     * @param {number} x  @param {number} y */
    show(lines, x, y) {
      tip.replaceChildren(...lines.map((line, i) => make("div", i ? "" : "nbflow-tip-title", line)));
      tip.hidden = false;
      const around = frame.getBoundingClientRect();
      const { width, height } = tip.getBoundingClientRect();
      const right = x - around.left + GAP_PX;
      const left = right + width <= around.width ? right : x - around.left - GAP_PX - width;
      tip.style.left = `${Math.max(2, left)}px`;
      tip.style.top = `${Math.max(0, Math.min(y - around.top, around.height - height - 2))}px`;
    },
  };
}
