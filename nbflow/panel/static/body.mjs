// @ts-check
/** The larger part of a panel: its views, the list of tasks, the inspector, and what they share. */
import { makeAnnouncer } from "./announce.mjs";
import { listen, make } from "./dom.mjs";
import { watchEdits } from "./edits.mjs";
import { makeFilter } from "./filter.mjs";
import { makeGraph } from "./graph.mjs";
import { makeHelp } from "./help.mjs";
import { makeInspector } from "./inspector.mjs";
import { listenToKeys } from "./keys.mjs";
import { hideStaticCopy, watchKernel } from "./kernel-lifecycle.mjs";
import { makeNotice } from "./notice.mjs";
import { makePlan } from "./plan.mjs";
import { makeRuns } from "./runs.mjs";
import { makeStore } from "./store.mjs";
import { makeTable } from "./table.mjs";
import { makeTabs } from "./tabs.mjs";
import { merge, stamp } from "./format.mjs";
import { makeTimeline } from "./timeline.mjs";

/** @param {import("./dom.mjs").View} view */
function render(view) {
  const { el, signal } = view;
  const store = makeStore(view);
  store.edits = watchEdits(view);
  el.classList.add("nbflow-body");
  const tabs = makeTabs(store, [
    { name: "graph", label: "Graph", element: makeGraph(store) },
    { name: "timeline", label: "Timeline", element: makeTimeline(store) },
    { name: "runs", label: "Runs", element: makeRuns(store) },
  ]);
  const tools = make("div", "nbflow-tools");
  const help = makeHelp(signal);
  const right = make("div", "nbflow-tools-right");
  right.append(makeFilter(store), help.button);
  tools.append(tabs.list, right);
  const side = make("div", "nbflow-side");
  side.append(makeTable(store), makeInspector(store));
  store.on("view", (name) => { el.dataset.view = name; });
  store.on("picture", () => {
    const { rows, boxes } = store.picture;
    side.style.setProperty("--nbflow-rows", String(rows.length + boxes.length));
  });
  el.replaceChildren(makePlan(store), tools, makeNotice(store), tabs.panels, side, makeAnnouncer(store), help.dialog);
  listenToKeys(store, tabs, help);
  tabs.show("graph");
  store.begin();
  hideStaticCopy(el, signal);
  watchKernel(store, view);
}

export default {
  /** @param {{model: import("./dom.mjs").Model, signal: AbortSignal}} options */
  initialize({ model, signal }) {
    stamp(model.get("snapshot"));
    listen(model, signal, "change:snapshot", () => stamp(model.get("snapshot")));
    listen(model, signal, "msg:custom", (message) => {
      if (message?.kind === "patch") merge(model.get("snapshot"), stamp(message.patch));
    });
    // What was told while this script was on its way is lost, and times are those of the last change.
    model.send({ kind: "hello" });
  },
  render,
};
