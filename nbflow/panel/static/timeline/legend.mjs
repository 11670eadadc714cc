// @ts-check
/** What the pieces of the timeline's lanes mean: of those kinds that there are. */
import { make } from "../common/dom.mjs";
import { SPAN_KINDS } from "./spans.mjs";

/** @type {Record<string, string>} */
const LOOKS = {
  work: "nbflow-lane-bar nbflow-state-Success",
  delay: "nbflow-lane-wait nbflow-wait-delay nbflow-state-Retrying",
  hold: "nbflow-lane-wait nbflow-wait-hold nbflow-state-Paused",
  slot: "nbflow-lane-wait nbflow-wait-slot nbflow-state-Pending",
};

export function makeLegend() {
  const items = SPAN_KINDS.map(([kind, words]) => {
    const sample = make("span", "nbflow-legend-sample", [make("span", LOOKS[kind])], { "aria-hidden": "true" });
    return { kind, element: make("li", "nbflow-legend-item", [sample, words], { hidden: "" }) };
  });
  const element = make("ul", "nbflow-legend", items.map((item) => item.element), { hidden: "", "aria-label": "what the bars mean" });
  return {
    element,
    /** @param {Set<string>} kinds  those that there are */
    show(kinds) {
      element.hidden = ![...kinds].some((kind) => kind !== "work");
      for (const item of items) item.element.hidden = !kinds.has(item.kind);
    },
  };
}
