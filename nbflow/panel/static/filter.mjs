// @ts-check
/** Search by name, and by state. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeFilter(shared) {
  const element = make("div", "nbflow-filter");
  return element;
}
