// @ts-check
/** What a panel does to the page around it: while it lives, its copy for saved notebooks is hidden. */
import { whenThere } from "./dom.mjs";

/**
 * Hide the copy for saved notebooks for as long as this view lives.
 * @param {HTMLElement} el  @param {AbortSignal} signal
 */
export function hideStaticCopy(el, signal) {
  const find = () => el.closest(".jp-OutputArea, .output_area, .output");
  whenThere(find, signal, (area) => {
    area.classList.add("nbflow-live");
    signal.addEventListener("abort", () => {
      const others = [...area.querySelectorAll(".nbflow-body")].some((other) => other !== el);
      if (!others) area.classList.remove("nbflow-live");
    });
  });
}
