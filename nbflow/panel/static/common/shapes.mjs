// @ts-check
/** SVG elements that the script itself makes. */

/** A line drawing in a square of 16. @param {string} path @returns {SVGSVGElement} */
export function drawIcon(path) {
  const svg = makeShape("svg", { class: "nbflow-icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  svg.append(makeShape("path", { d: path }));
  return /** @type {SVGSVGElement} */ (svg);
}

/** @param {string} tag @param {Record<string, string | number>} [attributes] */
export function makeShape(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
