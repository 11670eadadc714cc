// @ts-check
/**
 * The graph by keyboard: arrows go along the drawing. Down and Up follow the edges, Right and Left go through what
 * stands beside each other, line by line, so that everything is reached.
 *
 * @typedef {import("./svg-index.mjs").Spot} Spot
 * @typedef {{all: Map<string, Spot>, links: import("./svg-index.mjs").Ends[]}} Ways
 */
import { within } from "./camera.mjs";

const STEP_PX = 60;
const ZOOM = 1.25;

/**
 * @param {HTMLElement} sheet  @param {AbortSignal} signal
 * @param {{ways: () => Ways, current: () => string, choose: (key: string) => void, open: () => void, fold: () => void,
 *   leave: () => void, viewport: import("./viewport.mjs").Viewport}} graph
 */
export function listenToGraphKeys(sheet, signal, { ways, current, choose, open, fold, leave, viewport }) {
  /** @type {Record<string, () => void>} */
  const commands = {
    Enter: open,
    " ": fold,
    Escape: leave,
    "+": () => viewport.zoom(ZOOM),
    "=": () => viewport.zoom(ZOOM),
    "-": () => viewport.zoom(1 / ZOOM),
    0: viewport.reset,
    f: viewport.fit,
  };
  /** @type {Record<string, [x: number, y: number]>} */
  const pans = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  sheet.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = pans[event.key];
    const to = nextKey(ways(), current(), event.key);
    if (event.shiftKey && arrow) viewport.pan(arrow[0] * STEP_PX, arrow[1] * STEP_PX);
    else if (to) choose(to);
    else if (commands[event.key]) {
      if (event.key === "Escape" && !current()) return; // it may mean something to others
      commands[event.key]();
    } else if (!arrow) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
}

/**
 * Where a key leads to, or "" for nowhere.
 * @param {Ways} ways  @param {string} from  @param {string} key
 */
export function nextKey({ all, links }, from, key) {
  if (!/^(Arrow(Up|Down|Left|Right)|Home|End)$/.test(key) || !all.size) return "";
  const order = readingOrder([...all.values()]);
  const spot = all.get(from);
  if (key === "End") return order[order.length - 1].key;
  if (key === "Home" || !spot) return order[0].key;
  if (key === "ArrowDown") return (downFrom(spot, order, all, links) ?? spot).key;
  if (key === "ArrowUp") return (upFrom(spot, order, all, links) ?? spot).key;
  const step = key === "ArrowRight" ? 1 : -1;
  return order[within(order.indexOf(spot) + step, 0, order.length - 1)].key;
}

/** From the top, and what is on one line from the left. @param {Spot[]} spots */
export function readingOrder(spots) {
  const line = (/** @type {Spot} */ { box, isBox }) => Math.round(isBox ? box.y : box.y + box.height / 2);
  return spots.sort((one, other) => line(one) - line(other) || one.box.x - other.box.x);
}

/** @param {Spot} spot @param {Spot[]} order @param {Map<string, Spot>} all @param {Ways["links"]} links */
function downFrom(spot, order, all, links) {
  if (spot.isBox) return order.find((one) => one !== spot && isInside(one, spot));
  const heads = links.filter(({ tail }) => tail === spot.key).map(({ head }) => all.get(head));
  return nearest(spot, heads) ?? nearest(spot, order.filter((one) => !one.isBox && one.box.y > bottom(spot)));
}

/**
 * Up stops at the title of a box before it leaves the box.
 * @param {Spot} spot @param {Spot[]} order @param {Map<string, Spot>} all @param {Ways["links"]} links
 */
function upFrom(spot, order, all, links) {
  const home = homeOf(spot, order);
  const isOut = (/** @type {Spot | undefined} */ one) => Boolean(one) && (!home || isInside(/** @type {Spot} */ (one), home));
  const enders = spot.isBox
    ? links.filter(({ tail, head }) => isIn(all.get(head), spot) && !isIn(all.get(tail), spot))
    : links.filter(({ head }) => head === spot.key);
  const tails = enders.map(({ tail }) => all.get(tail)).filter(isOut);
  const above = order.filter((one) => !one.isBox && bottom(one) < spot.box.y && isOut(one));
  return nearest(spot, tails) ?? (home && !tails.length ? home : nearest(spot, above));
}

/** @param {Spot | undefined} one @param {Spot} box */
function isIn(one, box) {
  return one !== undefined && isInside(one, box);
}

/** @param {Spot} one @param {Spot} other */
function isInside(one, other) {
  const [a, b] = [one.box, other.box];
  return one !== other && other.isBox && a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width
    && a.y + a.height <= b.y + b.height;
}

/** The innermost box around a thing. @param {Spot} spot @param {Spot[]} order */
function homeOf(spot, order) {
  const homes = order.filter((one) => isInside(spot, one));
  return homes.sort((one, other) => one.box.width * one.box.height - other.box.width * other.box.height)[0];
}

/** @param {Spot} spot */
function bottom({ box }) {
  return box.y + box.height;
}

/** @param {Spot} spot @param {(Spot | undefined)[]} others @returns {Spot | undefined} */
function nearest(spot, others) {
  const far = (/** @type {Spot} */ { box }) => Math.abs(box.y - spot.box.y)
    + Math.abs(box.x + box.width / 2 - spot.box.x - spot.box.width / 2) / 4;
  const known = /** @type {Spot[]} */ (others.filter((one) => one && one !== spot));
  return known.sort((one, other) => far(one) - far(other))[0];
}
