// @ts-check
/** The runs of the flow, to show one of them or to compare two. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeRuns(shared) {
  const element = make("div", "nbflow-runs");
  return element;
}
