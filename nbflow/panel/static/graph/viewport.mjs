// @ts-check
/**
 * A sheet that shows a part of a large drawing: moved, zoomed, and fitted until somebody zooms.
 *
 * @typedef {import("./camera.mjs").Camera} Camera
 * @typedef {import("./camera.mjs").Box} Box
 * @typedef {ReturnType<typeof makeViewport>} Viewport
 */
import { fit, kept, panned, revealed, showsAll, within, zoomed } from "./camera.mjs";
import { listenToPointers, listenToWheel } from "./gestures.mjs";

const TALLEST = 640;
const TALLEST_OF_WINDOW = 0.7;
const LOWEST = 150;
// What would be smaller than this at first is shown from its start instead, with the overview beside it.
const START = { least: 0.6 };
const GLIDE_MS = 180;
// In the corner at the bottom left; the drawing is fitted so that it is not below it.
const TOOLBAR = { width: 190, height: 38 };
const NOTHING = { x: 0, y: 0, width: 1, height: 1 };

/**
 * @param {HTMLElement} sheet  @param {AbortSignal} signal  @param {(camera: Camera) => void} changed
 */
export function makeViewport(sheet, signal, changed) {
  /** @type {SVGSVGElement | null} */
  let svg = null;
  /** @type {Box} */
  let paper = NOTHING;
  /** What is in the middle at first of what is wider than the sheet. */
  let middle = 0;
  let size = { width: 0, height: 0 };
  /** @type {Camera} */
  let camera = { x: 0, y: 0, k: 1 };
  /** How the drawing is fitted, until somebody zooms. @type {{least?: number} | null} */
  let fitting = START;
  /** Where it is on its way to. @type {Camera | null} */
  let goal = null;
  let frame = 0;
  let isAsked = false;

  // At most once a frame, however many moves of the pointer there are.
  const apply = () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      if (!svg || !size.width) return;
      // A transform by style: measured on 300 nodes, 20 ms a frame of zooming, where another viewBox takes 60 to 100,
      // for then the browser lays every text out again. It stays as crisp, since nothing is promoted to a layer.
      svg.style.transform = `translate(${-camera.x * camera.k}px, ${-camera.y * camera.k}px) scale(${camera.k})`;
      changed(camera);
    });
  };
  const go = (/** @type {Camera} */ to) => {
    cancelAnimationFrame(frame);
    goal = null;
    camera = kept(to, paper, size);
    apply();
  };
  const glide = (/** @type {Camera} */ to) => {
    const from = camera;
    const end = kept(to, paper, size);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return go(end);
    const begun = performance.now();
    const move = () => {
      const part = Math.min((performance.now() - begun) / GLIDE_MS, 1);
      if (part === 1 || signal.aborted) return go(end);
      const eased = 1 - (1 - part) ** 3;
      const between = (/** @type {"x" | "y" | "k"} */ name) => from[name] + (end[name] - from[name]) * eased;
      camera = { x: between("x"), y: between("y"), k: between("k") };
      apply();
      frame = requestAnimationFrame(move);
    };
    cancelAnimationFrame(frame);
    goal = end;
    move();
  };
  const fitted = (/** @type {Box} */ box, /** @type {import("./camera.mjs").Size} */ view, /** @type {{least?: number}} */ limits) => {
    // At the top: a click that opens the inspector, and makes the sheet higher, moves nothing from under the pointer.
    const camera = fit(box, view, { ...limits, atTop: true });
    const seen = view.width / camera.k;
    if (box.width > seen) camera.x = within(middle - seen / 2, box.x, box.x + box.width - seen);
    const [left, below] = [(box.x - camera.x) * camera.k, (box.y + box.height - camera.y) * camera.k];
    if (left > TOOLBAR.width || below < view.height - TOOLBAR.height) return camera;
    const above = fit(box, { width: view.width, height: view.height - TOOLBAR.height }, { ...limits, atTop: true });
    return box.width * above.k > view.width ? { ...above, x: camera.x } : above;
  };
  /** Make the sheet as high as the drawing needs, and no higher than is good for the page. */
  const takeHeight = () => {
    const most = Math.min(TALLEST, TALLEST_OF_WINDOW * window.innerHeight);
    const width = sheet.clientWidth || 1;
    const { k } = fit(paper, { width, height: most }, START);
    const toolbar = (width - paper.width * k) / 2 > TOOLBAR.width ? 0 : TOOLBAR.height;
    const height = `${Math.round(within(paper.height * k + toolbar, LOWEST, most))}px`;
    if (sheet.style.getPropertyValue("--nbflow-height") !== height) {
      sheet.style.setProperty("--nbflow-height", height);
    }
  };
  const measure = () => {
    takeHeight();
    size = { width: sheet.clientWidth, height: sheet.clientHeight };
    return size.width > 0;
  };
  const viewport = {
    get camera() { return camera; },
    get size() { return size; },
    get paper() { return paper; },
    get showsAll() { return showsAll(camera, paper, size); },
    /**
     * Show another drawing. What somebody looks at stays in place, by `move`; else the drawing is fitted.
     * @param {SVGSVGElement | null} next  @param {Box} [nextPaper]  @param {(camera: Camera) => Camera} [move]
     * @param {number} [nextMiddle]  what is in the middle at first of what is wider than the sheet
     */
    show(next, nextPaper = NOTHING, move, nextMiddle = 0) {
      svg = next;
      paper = nextPaper;
      middle = nextMiddle;
      if (!svg || !measure()) return;
      const whole = fitted(paper, size, START);
      if (move && !(fitting && showsAll(whole, paper, size))) {
        fitting = null;
        go(move(camera));
      } else go(fitting ? whole : camera);
    },
    /** @param {number} factor @param {number} [left] @param {number} [top] */
    zoom(factor, left = size.width / 2, top = size.height / 2) {
      fitting = null;
      go(zoomed(camera, factor, left, top));
    },
    /** The whole drawing. */
    fit() {
      fitting = {};
      glide(fitted(paper, size, {}));
    },
    /** Fit the next drawing as if it were the first. */
    forget() {
      fitting = START;
    },
    /** At its own size. */
    reset() {
      fitting = null;
      glide(kept(zoomed(camera, 1 / camera.k, size.width / 2, size.height / 2), paper, size));
    },
    /** @param {Box} box */
    fitTo(box) {
      fitting = null;
      const room = 20;
      glide(fit({ x: box.x - room, y: box.y - room, width: box.width + 2 * room, height: box.height + 2 * room }, size));
    },
    /** @param {number} left @param {number} top  in pixels */
    pan(left, top) {
      fitting = null;
      go(panned(camera, left, top));
    },
    /** Put a point of the drawing into the middle. @param {number} x @param {number} y */
    centre(x, y) {
      fitting = null;
      go({ x: x - size.width / camera.k / 2, y: y - size.height / camera.k / 2, k: camera.k });
    },
    /** Move, if need be, until a box is in view. @param {Box} box */
    reveal(box) {
      const to = revealed(camera, box, size);
      if (!size.width || (to.x === camera.x && to.y === camera.y)) return;
      fitting = null;
      glide(to);
    },
  };
  const observer = new ResizeObserver(() => {
    const { width } = size;
    if (!svg || !measure()) return;
    if (fitting) go(fitted(paper, size, fitting));
    else if (width) go(panned(goal ?? camera, (width - size.width) / 2, 0)); // what is at the top stays there
  });
  observer.observe(sheet);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  });
  listenToWheel(sheet, signal, viewport);
  listenToPointers(sheet, signal, viewport);
  return viewport;
}
