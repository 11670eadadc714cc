// @ts-check
/** When each task ran, and which resources were open meanwhile. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeTimeline(shared) {
  const element = make("div", "nbflow-timeline");
  return element;
}
