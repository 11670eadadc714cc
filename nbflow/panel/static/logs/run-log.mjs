// @ts-check
/** What all tasks of the run said, in the order of time; told by the kernel while this view is in front. */
import { make } from "../common/dom.mjs";
import { makeLog } from "./log-view.mjs";

/** @param {import("../common/store.mjs").Store} store */
export function makeRunLog(store) {
  const log = makeLog(store, "output of the run");
  const empty = make("p", "nbflow-runs-empty", "Nothing was printed or logged so far.");
  const element = make("div", "nbflow-run-log", [empty, log.element]);
  let isInFront = false;
  const paint = () => {
    empty.hidden = !log.isEmpty;
    log.element.hidden = log.isEmpty;
  };
  const clear = () => {
    log.clear();
    paint();
  };
  store.on("view", (name) => {
    const wasInFront = isInFront;
    isInFront = name === "logs";
    if (isInFront !== wasInFront) store.send("follow_log", { on: isInFront });
  });
  store.on("run_log", (told) => {
    if (!isInFront) return;
    if (told.is_other) log.clear(); // it is that of another run, or told from its beginning
    if (told.lines.length) log.add({ ...told, from: told.is_other ? 0 : 1 });
    paint();
    if (told.is_other) log.toEnd();
  });
  clear();
  return element;
}
