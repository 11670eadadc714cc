// @ts-check
/** A line over the graph: that it is being drawn, or why it is not drawn as it was asked for. */
import { make, say } from "./dom.mjs";

// What is there sooner needs no word.
const SOON_MS = 300;

/** @param {AbortSignal} signal */
export function makeGraphNote(signal) {
  const element = make("div", "nbflow-graph-note");
  const text = make("span");
  text.setAttribute("role", "status");
  const close = make("button", "nbflow-tool", "×");
  close.setAttribute("type", "button");
  close.setAttribute("aria-label", "close the note");
  element.append(text, close);
  element.hidden = true;
  let timer = 0;

  const show = (/** @type {string} */ line, canBeClosed = true) => {
    clearTimeout(timer);
    say(text, line);
    close.hidden = !canBeClosed;
    element.hidden = !line;
  };
  close.addEventListener("click", () => show(""));
  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    element,
    /** Something was asked for that takes a while. */
    wait() {
      show("");
      timer = window.setTimeout(() => show("drawing…", false), SOON_MS);
    },
    /** @param {string} line */
    tell: (line) => show(line),
    /** It is there: what was told of it holds no more, but for what was told meanwhile. */
    done() {
      clearTimeout(timer);
      if (close.hidden) show("");
    },
  };
}
