// @ts-check
/**
 * A sheet that shows a part of a large drawing: dragged, zoomed by Control and the wheel or by two fingers, and fitted
 * until somebody zooms. The wheel alone scrolls the notebook, as over any picture.
 *
 * @typedef {import("./camera.mjs").Camera} Camera
 * @typedef {import("./camera.mjs").Box} Box
 * @typedef {ReturnType<typeof makeViewport>} Viewport
 */
import { fit, kept, panned, revealed, showsAll, within, zoomed } from "./camera.mjs";

const TALLEST = 640;
const TALLEST_OF_WINDOW = 0.7;
const LOWEST = 150;
// What would be smaller than this at first is shown from its start instead, with the overview beside it.
const START = { least: 0.45 };
const CLICK_PX = 4;
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
  let size = { width: 0, height: 0 };
  /** @type {Camera} */
  let camera = { x: 0, y: 0, k: 1 };
  /** How the drawing is fitted, until somebody zooms. @type {{least?: number} | null} */
  let fitting = START;
  let gliding = 0;
  let isAsked = false;

  // At most once a frame, however many moves of the pointer there are.
  const apply = () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      if (!svg || !size.width) return;
      // A transform by style: measured on 300 nodes, 20 ms a frame of zooming, where another viewBox takes 60 to 100,
      // for then the browser lays every text out anew. It stays as crisp, since nothing is promoted to a layer.
      svg.style.transform = `translate(${-camera.x * camera.k}px, ${-camera.y * camera.k}px) scale(${camera.k})`;
      changed(camera);
    });
  };
  const go = (/** @type {Camera} */ to) => {
    cancelAnimationFrame(gliding);
    camera = kept(to, paper, size);
    apply();
  };
  const glide = (/** @type {Camera} */ to) => {
    const end = kept(to, paper, size);
    const from = camera;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return go(end);
    const begun = performance.now();
    const move = () => {
      const part = Math.min((performance.now() - begun) / GLIDE_MS, 1);
      const eased = 1 - (1 - part) ** 3;
      const k = from.k + (end.k - from.k) * eased;
      go({ x: from.x + (end.x - from.x) * eased, y: from.y + (end.y - from.y) * eased, k });
      if (part < 1 && !signal.aborted) gliding = requestAnimationFrame(move);
    };
    cancelAnimationFrame(gliding);
    move();
  };
  const fitted = (/** @type {Box} */ box, /** @type {import("./camera.mjs").Size} */ view, /** @type {{least?: number}} */ limits) => {
    // At the top: a click that opens the inspector, and makes the sheet higher, moves nothing from under the pointer.
    const camera = fit(box, view, { ...limits, atTop: true });
    const [left, below] = [(box.x - camera.x) * camera.k, (box.y + box.height - camera.y) * camera.k];
    if (left > TOOLBAR.width || below < view.height - TOOLBAR.height) return camera;
    return fit(box, { width: view.width, height: view.height - TOOLBAR.height }, { ...limits, atTop: true });
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
     */
    show(next, nextPaper = NOTHING, move) {
      svg = next;
      paper = nextPaper;
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
    const { width, height } = size;
    if (!svg || !measure()) return;
    if (fitting) go(fitted(paper, size, fitting));
    else if (width) go(panned(camera, (width - size.width) / 2, (height - size.height) / 2));
  });
  observer.observe(sheet);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    cancelAnimationFrame(gliding);
  });
  listenToWheel(sheet, signal, viewport);
  listenToPointers(sheet, signal, viewport);
  return viewport;
}

/** @param {HTMLElement} sheet @param {AbortSignal} signal @param {Viewport} viewport */
function listenToWheel(sheet, signal, viewport) {
  sheet.addEventListener("wheel", (event) => {
    const line = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const [left, top] = [event.deltaX * line, event.deltaY * line];
    if (event.ctrlKey || event.metaKey) {
      // A pinch on a trackpad comes as many small steps of a wheel with Control.
      const speed = Math.abs(top) < 40 ? 0.01 : 0.0025;
      const { x, y } = sheet.getBoundingClientRect();
      viewport.zoom(Math.exp(-top * speed), event.clientX - x, event.clientY - y);
    } else if (Math.abs(left) > Math.abs(top) && !viewport.showsAll) viewport.pan(left, 0);
    else return;
    event.preventDefault();
  }, { signal, passive: false });
}

/**
 * One pointer drags, two zoom. A click that ends a drag is none.
 * @param {HTMLElement} sheet  @param {AbortSignal} signal  @param {Viewport} viewport
 */
function listenToPointers(sheet, signal, viewport) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let moved = 0;
  const on = (/** @type {string} */ name, /** @type {(event: PointerEvent) => void} */ call) =>
    sheet.addEventListener(name, /** @type {(event: Event) => void} */ (call), { signal, capture: name === "click" });
  on("pointerdown", (event) => {
    if (event.button > 1) return;
    if (!down.size) moved = 0;
    if (event.button === 1) event.preventDefault(); // no automatic scrolling
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  on("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const [x, y] = [event.clientX, event.clientY];
    if (!moved && down.size === 1 && Math.hypot(x - before.x, y - before.y) < CLICK_PX) return;
    moved += 1;
    sheet.setPointerCapture(event.pointerId);
    sheet.classList.add("nbflow-dragged");
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    const share = other ? 0.5 : 1;
    viewport.pan((before.x - x) * share, (before.y - y) * share);
    if (other) {
      const factor = Math.hypot(x - other.x, y - other.y) / Math.max(Math.hypot(before.x - other.x, before.y - other.y), 1);
      const corner = sheet.getBoundingClientRect();
      viewport.zoom(factor, (x + other.x) / 2 - corner.x, (y + other.y) / 2 - corner.y);
    }
    down.set(event.pointerId, { x, y });
  });
  const up = (/** @type {PointerEvent} */ event) => {
    down.delete(event.pointerId);
    if (!down.size) sheet.classList.remove("nbflow-dragged");
  };
  on("pointerup", up);
  on("pointercancel", up);
  on("click", (event) => {
    if (moved) event.stopPropagation();
    moved = 0;
  });
}
