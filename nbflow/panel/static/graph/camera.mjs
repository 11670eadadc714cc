// @ts-check
/**
 * Which part of a paper a view shows, and how large. Needs no page.
 *
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{x: number, y: number, k: number}} Camera  `x`, `y`: what is at the view's top left; `k`: pixels a unit
 */

export const CLOSEST = 3;
const FARTHEST = 0.04;

/** @param {number} value @param {number} least @param {number} most */
export function within(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/**
 * The largest scale at which a box fits, and its middle in the middle, or its top at the top. What does not fit at
 * `least` is shown from its top as well.
 * @param {Box} box @param {Size} view @param {{most?: number, least?: number, atTop?: boolean}} [how]
 * @returns {Camera}
 */
export function fit(box, view, { most = 1, least = FARTHEST, atTop = false } = {}) {
  const k = within(Math.min(view.width / box.width, view.height / box.height), least, most);
  const spare = atTop ? 0 : Math.max(view.height / k - box.height, 0);
  return { x: box.x + (box.width - view.width / k) / 2, y: box.y - spare / 2, k };
}

/**
 * Another scale, with the point of the paper that is at (`left`, `top`) of the view staying there.
 * @param {Camera} camera @param {number} factor @param {number} left @param {number} top
 * @returns {Camera}
 */
export function zoomed({ x, y, k }, factor, left, top) {
  const next = within(k * factor, FARTHEST, CLOSEST);
  return { x: x + left / k - left / next, y: y + top / k - top / next, k: next };
}

/**
 * Move by pixels of the view.
 * @param {Camera} camera @param {number} left @param {number} top
 * @returns {Camera}
 */
export function panned({ x, y, k }, left, top) {
  return { x: x + left / k, y: y + top / k, k };
}

/**
 * The drawing cannot be lost: the middle of the view stays on the paper, and a smaller paper in the view.
 * @param {Camera} camera @param {Box} paper @param {Size} view
 * @returns {Camera}
 */
export function kept({ x, y, k }, paper, view) {
  return {
    x: keepOn(x, view.width / k, paper.x, paper.width),
    y: keepOn(y, view.height / k, paper.y, paper.height),
    k,
  };
}

/** @param {number} from @param {number} seen @param {number} start @param {number} length */
function keepOn(from, seen, start, length) {
  const least = Math.min(start - seen / 2, start + length - seen);
  return within(from, least, Math.max(start + length - seen / 2, start));
}

/**
 * As little movement as shows the whole box, with some room around it; of a box that is too large, its top left.
 * @param {Camera} camera @param {Box} box @param {Size} view @param {number} [room]  in pixels
 * @returns {Camera}
 */
export function revealed({ x, y, k }, box, view, room = 24) {
  return {
    x: moveInto(x, view.width / k, box.x, box.width, room / k),
    y: moveInto(y, view.height / k, box.y, box.height, room / k),
    k,
  };
}

/**
 * @param {number} from @param {number} seen @param {number} start @param {number} length @param {number} room
 */
function moveInto(from, seen, start, length, room) {
  const margin = within((seen - length) / 2, 0, room);
  return Math.min(Math.max(from, start + length + margin - seen), start - margin);
}

/**
 * Keep a thing where it is in the view while the paper under it is another one.
 * @param {Camera} camera @param {Box} before @param {Box} after
 * @returns {Camera}
 */
export function anchored({ x, y, k }, before, after) {
  const middle = (/** @type {Box} */ box) => box.x + box.width / 2;
  return { x: x + middle(after) - middle(before), y: y + after.y - before.y, k };
}

/** Whether the whole box is in view. @param {Camera} camera @param {Box} box @param {Size} view */
export function showsAll({ x, y, k }, box, view) {
  const slack = 1 / k;
  return x <= box.x + slack && y <= box.y + slack && x + view.width / k >= box.x + box.width - slack
    && y + view.height / k >= box.y + box.height - slack;
}

/**
 * The box around several.
 * @param {Box[]} boxes  at least one
 * @returns {Box}
 */
export function around(boxes) {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}
