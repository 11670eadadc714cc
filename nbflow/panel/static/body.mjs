// @ts-check
/** The larger part of a panel: its views, the list of tasks, the inspector, and what they share. */
import { makeAnnouncer } from "./common/announce.mjs";
import { listen, make } from "./common/dom.mjs";
import { watchEdits } from "./common/edits.mjs";
import { goToFailure } from "./common/go-to-failure.mjs";
import { makeBreakpoints } from "./controls/breakpoints.mjs";
import { makeFailures } from "./failures/failures.mjs";
import { makeFilter } from "./table/filter.mjs";
import { makeGraph } from "./graph/graph.mjs";
import { hintAtExecutors } from "./controls/executor-hint.mjs";
import { makeHelp } from "./common/help.mjs";
import { makeInspector } from "./inspector/inspector.mjs";
import { listenToKeys } from "./common/keys.mjs";
import { hideStaticCopy, watchKernel } from "./common/kernel-lifecycle.mjs";
import { makeNotice } from "./common/notice.mjs";
import { makePlan } from "./runs/plan.mjs";
import { makeRunLog } from "./logs/run-log.mjs";
import { makeRuns } from "./runs/runs.mjs";
import { makeStore } from "./common/store.mjs";
import { makeTable } from "./table/table.mjs";
import { makeTabs } from "./common/tabs.mjs";
import { merge, stamp } from "./common/format.mjs";
import { makeTimeline } from "./timeline/timeline.mjs";

/** @param {import("./common/dom.mjs").View} view */
function render(view) {
  const { el, signal } = view;
  const store = makeStore(view);
  store.edits = watchEdits(view);
  el.classList.add("nbflow-body");
  const tabs = makeTabs(store, [
    { name: "graph", label: "Graph", element: makeGraph(store) },
    { name: "timeline", label: "Timeline", element: makeTimeline(store) },
    { name: "runs", label: "Runs", element: makeRuns(store) },
    { name: "logs", label: "Logs", element: makeRunLog(store) },
    { name: "failures", label: "Failures", element: makeFailures(store, (count) => countFailures(count)) },
  ]);
  const countFailures = (/** @type {number} */ count) =>
    tabs.label("failures", count ? `Failures (${count.toLocaleString("en")})` : "Failures", !count);
  countFailures(0);
  const help = makeHelp(signal);
  const right = make("div", "nbflow-tools-right", [makeFilter(store), help.button]);
  const tools = make("div", "nbflow-tools", [tabs.list, right]);
  const side = make("div", "nbflow-side", [makeTable(store), makeInspector(store)]);
  store.on("view", (name) => { el.dataset.view = name; });
  store.on("picture", () => {
    const { rows, boxes } = store.picture;
    side.style.setProperty("--nbflow-rows", String(rows.length + boxes.length));
  });
  el.replaceChildren(makePlan(store), makeBreakpoints(store), tools, makeNotice(store), tabs.panels, side, makeAnnouncer(store), help.dialog);
  listenToKeys(store, tabs, help);
  goToFailure(store);
  tabs.show("graph");
  store.begin();
  hideStaticCopy(el, signal);
  hintAtExecutors(el, signal);
  watchKernel(store, view);
}

export default {
  /** @param {{model: import("./common/dom.mjs").Model, signal: AbortSignal}} options */
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
