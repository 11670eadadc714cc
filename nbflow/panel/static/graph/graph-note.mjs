// @ts-check
/** A word over the graph while it is being drawn. */
import { make } from "../common/dom.mjs";

// What is there sooner needs no word.
const SOON_MS = 300;

/** @param {AbortSignal} signal */
export function makeGraphNote(signal) {
  const element = make("div", "nbflow-graph-note", "drawing…", { role: "status", hidden: "" });
  let timer = 0;

  /** It is there, or will not be. */
  const done = () => {
    clearTimeout(timer);
    element.hidden = true;
  };
  signal.addEventListener("abort", done);
  return {
    element,
    done,
    /** A drawing was asked for. */
    wait() {
      done();
      timer = window.setTimeout(() => { element.hidden = false; }, SOON_MS);
    },
  };
}
