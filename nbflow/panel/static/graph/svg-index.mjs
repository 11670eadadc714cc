// @ts-check
/**
 * Where everything in a drawing is, read once from its SVG, and which row, box or group each thing stands for.
 *
 * @typedef {import("./camera.mjs").Box} Box
 * @typedef {{key: string, box: Box, isBox: boolean}} Spot  `isBox`: the box of a block or cell, around other things
 * @typedef {Spot & {name: string, element: SVGGraphicsElement, line: Element | null, title: Element | null}} Place
 * @typedef {{tail: string, head: string}} Ends
 * @typedef {Ends & {element: Element}} Link
 * @typedef {{paper: Box, all: Map<string, Place>, links: Link[]}} Places
 */

// The picture is drawn before any state: its titles end so.
const UNTOUCHED = /: · [^:]*$/;
const CHILD = /^(.+)--(\d+)$/;

/**
 * @param {SVGSVGElement} svg
 * @returns {Places}
 */
export function readPlaces(svg) {
  const { width, height } = svg.viewBox.baseVal;
  const shift = svg.querySelector(":scope > g")?.getAttribute("transform")?.match(/-?[\d.]+/g)?.map(Number) ?? [0, 0];
  /** @type {Map<string, Place>} */
  const all = new Map();
  for (const element of /** @type {NodeListOf<SVGGraphicsElement>} */ (svg.querySelectorAll("g[data-key]"))) {
    const key = element.dataset.key ?? "";
    const title = element.querySelector(":scope > title");
    all.set(key, {
      key,
      element,
      title,
      box: moved(boxOf(element), shift[0], shift[1] ?? 0),
      isBox: element.classList.contains("nbflow-cluster"),
      name: (title?.textContent ?? "").replace(UNTOUCHED, ""),
      line: element.querySelector(".nbflow-line"),
    });
  }
  const links = [...svg.querySelectorAll("g[data-tail]")].map((element) => {
    const { tail = "", head = "" } = /** @type {SVGElement} */ (element).dataset;
    return { element, tail, head };
  });
  return { paper: { x: 0, y: 0, width, height }, all, links };
}

/**
 * A group's last shape is the one in front. Read from its attributes: asking the page would make it lay itself out.
 * @param {Element} group
 * @returns {Box}
 */
function boxOf(group) {
  const shape = [...group.querySelectorAll(":scope > .nbflow-shape")].at(-1);
  const points = shape?.getAttribute("points")?.split(/[\s,]+/).map(Number);
  if (points) {
    const xs = points.filter((_, i) => i % 2 === 0);
    const ys = points.filter((_, i) => i % 2 === 1);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
  }
  const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(shape?.getAttribute(name) ?? 0));
  return { x, y, width, height };
}

/** @param {Box} box @param {number} x @param {number} y @returns {Box} */
function moved(box, x, y) {
  return { ...box, x: box.x + x, y: box.y + y };
}

/**
 * What is selected by choosing a thing in the drawing: a child of a map is a part of its task.
 * @param {string} key  @param {{has(key: string): boolean}} names  of the rows
 * @returns {import("../common/store.mjs").Selection}
 */
export function selectionOf(key, names) {
  const child = names.has(key) ? null : CHILD.exec(key);
  return child && names.has(child[1]) ? { key: child[1], index: Number(child[2]) } : { key, index: null };
}

/**
 * What shows a selection in this drawing: its own node or box, else the node that it is folded into, else the children
 * that a map is drawn as.
 * @param {import("../common/store.mjs").Selection} selection  @param {{has(key: string): boolean, keys(): Iterable<string>}} all
 * @param {Record<string, string>} shown  as in `Drawing`
 * @returns {string[]}
 */
export function shownAs({ key, index }, all, shown) {
  if (!key) return [];
  const row = key.replace(/^(block|group)--/, "");
  for (const one of [index === null ? key : `${key}--${index}`, key, shown[key], row, shown[row]]) {
    if (one && all.has(one)) return [one];
  }
  return [...all.keys()].filter((one) => CHILD.exec(one)?.[1] === row);
}

/**
 * What can be folded or unfolded at a thing in the drawing, or "": itself, or the map or group that it is the first of.
 * @param {string} key  @param {Record<string, boolean>} folds  as in `Drawing`
 */
export function foldAt(key, folds) {
  const first = CHILD.exec(key);
  const candidates = [key, `group--${key}`, ...(first ? [first[1], `group--${first[1]}`] : [])];
  return candidates.find((one) => Object.hasOwn(folds, one)) ?? "";
}
