// @ts-check
/** A small box beside what the pointer or the keys are at. It can be pointed at itself, and Escape takes it away. */
import { make } from "./dom.mjs";

const GAP_PX = 14;

/** @param {HTMLElement} frame  positioned; the box stays within it @param {number} rowHeight  of what it is about */
export function makeTooltip(frame, rowHeight) {
  const tip = make("div", "nbflow-tip", "", { role: "tooltip", hidden: "" });
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
      const at = x - around.left;
      const isRight = at + GAP_PX + width <= around.width;
      const isBeside = isRight || at >= GAP_PX + width;
      const left = isRight ? at + GAP_PX : isBeside ? at - GAP_PX - width : around.width - width - 2;
      // Never over what it is about: with no room at either side it stands below, or above.
      const top = y - around.top;
      const below = top + rowHeight + height <= around.height ? top + rowHeight : top - height;
      const free = Math.max(0, Math.min(top, around.height - height - 2));
      tip.style.left = `${Math.max(2, left)}px`;
      tip.style.top = `${isBeside ? free : Math.max(0, below)}px`;
    },
  };
}
