// @ts-check
/**
 * Whether the timeline has a lane for each task or for each worker: two buttons, of which one is pressed. They are there
 * once a worker has had a task; as long as nobody has chosen, several workers are worth a lane each.
 */
import { make, makeButton, say } from "../common/dom.mjs";

/** @param {(isByWorker: boolean) => void} change */
export function makeGrouping(change) {
  /** What was chosen, null as long as nothing was. @type {boolean | null} */
  let chosen = null;
  let workers = 0;
  const choose = (/** @type {boolean} */ isByWorker) => () => {
    chosen = isByWorker;
    paint();
    change(isByWorker);
  };
  const byTask = makeButton("By task", "nbflow-choice", choose(false), { title: "A lane for each task" });
  const byWorker = makeButton("By worker", "nbflow-choice", choose(true), {
    title: "A lane for each worker, with a bar for each task or child of a map that it had",
  });
  const count = make("span", "nbflow-faint nbflow-workers");
  const pair = make("div", "nbflow-choices", [byTask, byWorker], { role: "group", "aria-label": "lanes of the timeline" });
  const element = make("div", "nbflow-grouping", [pair, count], { hidden: "" });
  const isByWorker = () => workers > 0 && (chosen ?? workers > 1);
  const paint = () => {
    element.hidden = !workers;
    byTask.setAttribute("aria-pressed", String(!isByWorker()));
    byWorker.setAttribute("aria-pressed", String(isByWorker()));
    say(count, `${workers.toLocaleString("en")} ${workers === 1 ? "worker" : "workers"}`);
  };
  return {
    element,
    get isByWorker() { return isByWorker(); },
    /** @param {number} number  how many workers there are */
    show(number) {
      workers = number;
      paint();
    },
  };
}
