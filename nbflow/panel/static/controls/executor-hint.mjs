// @ts-check
/** The list of executors is named by the label beside it, and each of its entries says what it is for. */
import { whenThere } from "../common/dom.mjs";

/** @param {HTMLElement} el  the view's  @param {AbortSignal} signal */
export function hintAtExecutors(el, signal) {
  const find = () => el.closest(".nbflow-panel")?.querySelector(".nbflow-executor select");
  whenThere(el, find, signal, (found) => {
    const list = /** @type {HTMLSelectElement} */ (found);
    const tell = () => {
      const lines = list.title.split("\n").slice(1); // below what the list is for
      [...list.options].forEach((option, i) => { option.title = lines[i] ?? ""; });
    };
    const watch = new MutationObserver(tell);
    watch.observe(list, { attributes: true, attributeFilter: ["title"], childList: true });
    signal.addEventListener("abort", () => watch.disconnect());
    list.setAttribute("aria-label", "Executor");
    tell();
  });
}
