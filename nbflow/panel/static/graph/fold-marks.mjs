// @ts-check
/** The small − and + at what can be folded and unfolded in the drawing. */
import { foldAt } from "./svg-index.mjs";
import { makeShape } from "../common/dom.mjs";

const RADIUS = 8;

/**
 * Draw the marks into the drawing; clicking one is heard by the sheet.
 * @param {import("./svg-index.mjs").Places} places  @param {Record<string, boolean>} folds
 */
export function drawFoldMarks(places, folds) {
  const marked = new Set();
  for (const { element } of places.all.values()) element.querySelector(":scope > .nbflow-fold")?.remove();
  for (const { key, element, isBox, name } of places.all.values()) {
    const fold = foldAt(key, folds);
    if (!fold || marked.has(fold)) continue;
    marked.add(fold);
    const shape = [...element.querySelectorAll(":scope > .nbflow-shape")].at(-1);
    if (!shape) continue;
    const [x, y, width] = ["x", "y", "width"].map((one) => Number(shape.getAttribute(one)));
    // In a box there is room beside its title; a node has it at its corner.
    const at = isBox ? [x + width - RADIUS - 7, y + RADIUS + 6] : [x + width - 1, y + 1];
    const transform = `translate(${at[0]} ${at[1]})`;
    const mark = makeShape("g", { class: "nbflow-fold", "data-fold": fold, transform });
    const title = makeShape("title");
    title.textContent = foldLabel(name, folds[fold]);
    mark.append(title, makeShape("circle", { r: RADIUS }), makeShape("path", { d: folds[fold] ? "M-4 0h8M0-4v8" : "M-4 0h8" }));
    element.append(mark);
  }
}

/** @param {string} name @param {boolean} folded */
export function foldLabel(name, folded) {
  return `${folded ? "unfold" : "fold"} ${name}`;
}
