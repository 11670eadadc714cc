// @ts-check
/**
 * Grey buttons while a cell blocks the kernel, where clicks are handled only when it ends: an older kernel, or a front
 * end that does not send them to a thread beside the cell's. What ends a run then is Jupyter's stop button.
 */
import { say } from "../common/dom.mjs";

export const USE_STOP = "A cell is being executed, and this kernel hears no buttons until it ends. To end its run, use stop (■).";
const PATIENCE_MS = 500; // a click that is being handled makes the kernel busy, too

/**
 * @param {Element} found  the bar of buttons  @param {HTMLElement} note  where it is said
 * @param {import("../common/dom.mjs").View} view  of the head, whose `beside` says that clicks are handled in any case
 */
export function greyWhileBlocked(found, note, { model, signal }) {
  const controls = /** @type {HTMLElement} */ (found);
  const session = model.widget_manager?.context?.sessionContext;
  let isBusy = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const isBlocked = () => isBusy && !model.get("beside");
  const paint = () => {
    const text = isBlocked() ? USE_STOP : "";
    controls.classList.toggle("nbflow-blocked", Boolean(text));
    controls.title = text;
    for (const button of controls.querySelectorAll("button")) {
      if (text) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
    note.hidden = !text;
    say(note, text);
  };
  const look = (/** @type {string | undefined} */ status) => {
    clearTimeout(timer);
    const now = status === "busy";
    timer = setTimeout(() => {
      isBusy = now;
      paint();
    }, now ? PATIENCE_MS : 0);
  };
  const changed = (/** @type {any} */ _, /** @type {string} */ status) => look(status);
  controls.addEventListener("click", (event) => {
    if (!isBlocked()) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, { signal, capture: true });
  session?.statusChanged?.connect?.(changed);
  model.on("change:beside", paint);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    session?.statusChanged?.disconnect?.(changed);
    model.off("change:beside", paint);
  });
  paint();
  look(session?.session?.kernel?.status);
}
