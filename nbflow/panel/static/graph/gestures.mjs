// @ts-check
/**
 * A sheet by mouse and touch: dragged, and zoomed by Control and the wheel or by two fingers. The wheel alone scrolls
 * the notebook, as over any picture.
 *
 * @typedef {{zoom(factor: number, left: number, top: number): void, pan(left: number, top: number): void,
 *   showsAll: boolean}} Moved
 */

const CLICK_PX = 4;

/** @param {HTMLElement} sheet @param {AbortSignal} signal @param {Moved} viewport */
export function listenToWheel(sheet, signal, viewport) {
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
 * @param {HTMLElement} sheet  @param {AbortSignal} signal  @param {Moved} viewport
 */
export function listenToPointers(sheet, signal, viewport) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let moved = 0;
  const on = (/** @type {string} */ name, /** @type {(event: PointerEvent) => void} */ call) =>
    sheet.addEventListener(name, /** @type {(event: Event) => void} */ (call), { signal, capture: name === "click" });
  const up = (/** @type {PointerEvent} */ event) => {
    down.delete(event.pointerId);
    if (!down.size) sheet.classList.remove("nbflow-dragged");
  };
  on("pointerdown", (event) => {
    if (event.button > 1) return;
    if (!down.size) moved = 0;
    if (event.button === 1) event.preventDefault(); // no automatic scrolling
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  on("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    if (!event.buttons) return up(event); // it was let go where nobody here hears of it
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
  on("pointerup", up);
  on("pointercancel", up);
  on("click", (event) => {
    if (moved) event.stopPropagation();
    moved = 0;
  });
}
