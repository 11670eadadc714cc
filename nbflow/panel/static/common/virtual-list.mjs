// @ts-check
/**
 * Which rows of a long list are in the page: those near the view. Above and below them stands only space.
 *
 * @template {{key: string}} E  @template H
 * @typedef {{list: HTMLElement, scroller: HTMLElement, signal: AbortSignal, head?: number,
 *   height: (entry: E) => number, build: (entry: E) => H, root: (handle: H) => HTMLElement,
 *   paint: (handle: H, entry: E, at: number) => void, isOn?: () => boolean, before?: () => void,
 *   after?: (from: number, to: number) => void}} RollOptions
 */

// Up to so many rows all are in the page: the browser finds text in them, and they may be as high as they like.
const ALL_ROWS = 200;
const CHUNK = 16;

/** Where each row begins, and at last where the list ends. @param {number[]} heights */
export function offsetsOf(heights) {
  const offsets = new Float64Array(heights.length + 1);
  heights.forEach((height, i) => { offsets[i + 1] = offsets[i] + height; });
  return offsets;
}

/** The row at a height; the first or last for what is above or below all. @param {Float64Array} offsets @param {number} y */
export function rowAt(offsets, y) {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle] <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The rows to keep in the page: those in view and some around, in steps, so that little scrolling changes nothing.
 * @param {Float64Array} offsets  @param {number} top  @param {number} height
 * @returns {[from: number, to: number]}
 */
export function windowOf(offsets, top, height) {
  const count = offsets.length - 1;
  if (count <= ALL_ROWS) return [0, count];
  const from = (Math.floor(rowAt(offsets, top) / CHUNK) - 1) * CHUNK;
  const to = (Math.ceil((rowAt(offsets, top + height) + 1) / CHUNK) + 1) * CHUNK;
  return [Math.max(0, from), Math.min(count, to)];
}

/**
 * How far to scroll so that what lies from `start` to `end` is in view: not at all if it is.
 * @param {number} top  @param {number} height  @param {number} start  @param {number} end
 */
export function scrolledTo(top, height, start, end) {
  if (start < top) return start;
  return end > top + height ? Math.max(0, Math.min(start, end - height)) : top;
}

/**
 * Keep the rows of `list` that are near the view of `scroller` in the page, and paint them at most once a frame.
 * Rows are painted when they come in, and when they were `touch`ed.
 * @template {{key: string}} E  @template H
 * @param {RollOptions<E, H>} options  `head`: how much of the view's top is covered by what sticks there;
 *   `isOn`: nothing is done while it says no
 */
export function makeRoll({ list, scroller, signal, head = 0, height, build, root, paint, isOn, before, after }) {
  /** @type {E[]} */
  let entries = [];
  /** @type {Map<string, number>} */
  let places = new Map();
  /** @type {Map<string, H>} */
  let shown = new Map();
  /** @type {Set<string>} */
  const touched = new Set();
  let offsets = offsetsOf([]);
  let isLaidOut = true;
  let isDue = false;
  let size = "";
  let wanted = ""; // what was scrolled to last, unless somebody has scrolled elsewhere since

  const update = () => {
    isDue = false;
    if (signal.aborted || isOn?.() === false) return;
    before?.();
    if (!isLaidOut) offsets = offsetsOf(entries.map(height));
    const [from, to] = windowOf(offsets, Math.max(0, scroller.scrollTop), scroller.clientHeight || 800);
    /** @type {Map<string, H>} */
    const near = new Map();
    for (let i = from; i < to; i++) {
      const entry = entries[i];
      const known = shown.get(entry.key);
      const handle = known ?? build(entry);
      if (!known || touched.has(entry.key)) paint(handle, entry, i);
      near.set(entry.key, handle);
    }
    const keys = [...shown.keys()];
    const isSame = keys.length === near.size && [...near.keys()].every((key, i) => key === keys[i]);
    shown = near;
    touched.clear();
    if (!isSame) list.replaceChildren(...[...near.values()].map(root));
    if (!isSame || !isLaidOut) {
      list.style.paddingTop = `${offsets[from]}px`;
      list.style.paddingBottom = `${offsets[entries.length] - offsets[to]}px`;
      list.classList.toggle("nbflow-windowed", to - from < entries.length);
    }
    isLaidOut = true;
    after?.(from, to);
    // While a page changes its style sheets a size may be there for a moment only, which no observer sees.
    const now = `${scroller.clientWidth} ${scroller.clientHeight}`;
    if (size === now) return;
    size = now;
    reveal(wanted);
    plan();
  };
  const plan = () => {
    if (isDue || isOn?.() === false) return;
    isDue = true;
    requestAnimationFrame(update);
  };
  /** Scroll so that an entry is in view. @param {string} key */
  const reveal = (key) => {
    const at = places.get(key);
    wanted = key;
    if (at === undefined || isOn?.() === false) return;
    if (!isLaidOut) update();
    const element = shown.get(key);
    const box = element && entries.length <= ALL_ROWS ? root(element).getBoundingClientRect() : null;
    const start = box ? box.top - list.getBoundingClientRect().top : offsets[at];
    const end = box ? start + box.height : offsets[at + 1];
    scroller.scrollTop = scrolledTo(scroller.scrollTop, scroller.clientHeight - head, start, end);
  };
  scroller.addEventListener("scroll", plan, { signal, passive: true });
  for (const name of ["wheel", "pointerdown", "touchmove"]) {
    scroller.addEventListener(name, () => { wanted = ""; }, { signal, passive: true });
  }
  const watch = new ResizeObserver(plan);
  watch.observe(scroller);
  signal.addEventListener("abort", () => watch.disconnect());

  return {
    plan,
    update,
    get entries() { return entries; },
    get offsets() { return offsets; },
    /** The place of an entry, -1 if it is not listed. @param {string} key */
    place: (key) => places.get(key) ?? -1,
    /** @param {string} key */
    handle: (key) => shown.get(key),
    /** Show other entries; all are painted again. @param {E[]} list */
    fill(list) {
      entries = list;
      places = new Map(list.map((entry, i) => [entry.key, i]));
      for (const { key } of list) touched.add(key);
      isLaidOut = false;
      plan();
    },
    /** Have an entry painted again. @param {string} key */
    touch(key) {
      if (!shown.has(key)) return;
      touched.add(key);
      plan();
    },
    /** Have all that are in the page painted by the update that is due, or going on. */
    touchAll() {
      for (const key of shown.keys()) touched.add(key);
    },
    /** Have the heights asked for again. */
    measure() {
      isLaidOut = false;
      plan();
    },
    reveal,
  };
}
