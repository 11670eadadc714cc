// @ts-check
/**
 * A line above the views: why something is not as it was asked for. It stands over every tab and is read out, and it
 * goes when it is closed, or with whatever is asked for next.
 */
import { make, makeButton, say } from "./dom.mjs";

/** @param {import("./store.mjs").Store} store */
export function makeNotice(store) {
  const text = make("span");
  const element = make("div", "nbflow-notice", [text], { hidden: "" });

  const show = (/** @type {string} */ line) => {
    say(text, line);
    element.hidden = !line;
  };
  const close = makeButton("×", "nbflow-tool nbflow-notice-close", () => {
    show("");
    /** @type {HTMLElement | null} */ (store.el.querySelector('.nbflow-tab[aria-selected="true"]'))?.focus();
  }, { "aria-label": "close the note" });
  element.append(close);
  store.on("problem", ({ text: line }) => {
    show(line);
    if (line) store.tell("announce", line);
  });
  store.on("picture", () => show(""));
  return element;
}
