// @ts-check
/** What a rerun would do, shown before it does it. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makePlan(shared) {
  const element = make("div", "nbflow-plan");
  element.hidden = true;
  return element;
}
