// @ts-check
/** The graph's small toolbar: zoom, fit, fold. One stop of the Tab key, arrows within, as the ARIA practices say. */
import { drawIcon, make, makeButton, say } from "../common/dom.mjs";

const ZOOM_STEP = 1.3;
// Drawn here, so that they look alike wherever they are shown.
const ICONS = {
  out: "M3 8h10",
  in: "M3 8h10M8 3v10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  fold: "M8 1.5v4.5M5.5 4 8 6.5 10.5 4M8 14.5V10M5.5 12 8 9.5 10.5 12M2.5 8h11",
  unfold: "M8 6.5V2M5.5 4 8 1.5 10.5 4M8 9.5V14M5.5 12 8 14.5 10.5 12M2.5 8h11",
};

/**
 * @param {import("./viewport.mjs").Viewport} viewport  @param {(folded: boolean) => void} foldAll
 */
export function makeGraphTools(viewport, foldAll) {
  const element = make("div", "nbflow-graph-tools", "", { role: "toolbar", "aria-label": "zoom and fold" });
  const out = toolButton("zoom out", "Zoom out (−)", ICONS.out, () => viewport.zoom(1 / ZOOM_STEP));
  const scale = toolButton("actual size", "Actual size (0)", "", viewport.reset);
  const into = toolButton("zoom in", "Zoom in (+), or Ctrl and the wheel", ICONS.in, () => viewport.zoom(ZOOM_STEP));
  const whole = toolButton("fit", "Fit the whole drawing (f)", ICONS.fit, viewport.fit);
  const fold = toolButton("fold all", "Fold all blocks, groups and maps", ICONS.fold, () => foldAll(true));
  const unfold = toolButton("unfold all", "Unfold all", ICONS.unfold, () => foldAll(false));
  scale.classList.add("nbflow-scale");
  const buttons = [out, scale, into, whole, fold, unfold];
  buttons.forEach((button, i) => { button.tabIndex = i ? -1 : 0; });
  element.append(...buttons);
  element.addEventListener("keydown", (event) => {
    const shown = buttons.filter((button) => !button.hidden);
    const at = shown.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    shown[(to + shown.length) % shown.length].focus();
  });
  element.addEventListener("focusin", ({ target }) => {
    for (const button of buttons) button.tabIndex = button === target ? 0 : -1;
  });
  return {
    element,
    /** @param {number} k */
    paintScale(k) {
      say(scale, `${Math.round(k * 100)} %`);
      scale.setAttribute("aria-label", `actual size, now ${Math.round(k * 100)} %`);
    },
    /** @param {Record<string, boolean>} folds */
    offer(folds) {
      const all = Object.values(folds);
      const focused = document.activeElement;
      fold.hidden = !all.includes(false);
      unfold.hidden = !all.includes(true);
      const gone = [fold, unfold].find((button) => button.hidden && button === focused);
      if (gone) [fold, unfold, out].find((button) => !button.hidden)?.focus();
      const stop = buttons.find((button) => !button.hidden && button.tabIndex === 0) ?? out;
      for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
    },
  };
}

/**
 * A small button with a drawing on it, if it has one.
 * @param {string} name  @param {string} hint  @param {string} icon  @param {() => void} press
 */
export function toolButton(name, hint, icon, press) {
  const button = makeButton("", "nbflow-tool", press, { title: hint, "aria-label": name });
  if (icon) button.append(drawIcon(icon));
  return button;
}
