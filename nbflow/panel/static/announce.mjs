// @ts-check
/** A live region that tells those who do not see the graph what happens in it. */
import { make } from "./dom.mjs";

/** @param {import("./shared.mjs").Shared} shared */
export function makeAnnouncer(shared) {
  const element = make("div", "nbflow-announcer");
  return element;
}
