// @ts-check
/** All that is known of the selected task, and what can be done with it. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeInspector(shared) {
  const element = make("div", "nbflow-inspector");
  element.hidden = true;
  return element;
}
