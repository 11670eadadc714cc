// @ts-check
/**
 * The top of a panel: flow, run, state, time, open resources, progress, and errors of the panel itself.
 *
 * @typedef {import("./common/format.mjs").Head} Head
 * @typedef {import("./common/format.mjs").Patch} Patch
 */
import { greyWhileBlocked } from "./controls/blocked.mjs";
import { bringEdits, tendButtons, tendForm } from "./controls/controls.mjs";
import { everySecond, listen, make, makeButton, say, whenThere } from "./common/dom.mjs";
import { watchEdits } from "./common/edits.mjs";
import { goneText, lastHead, whenGone } from "./common/kernel-lifecycle.mjs";
import { makeNotifier } from "./common/notification.mjs";
import { progressText, runTime, timeText, whereText, withClass } from "./common/format.mjs";

/** @param {import("./common/dom.mjs").View} view */
async function renderHead(view) {
  const { model, el, signal, host } = view;
  el.classList.add("nbflow-head");
  const flow = make("strong", "nbflow-flow");
  const number = make("span", "nbflow-number");
  const why = make("span", "nbflow-why");
  const badge = make("span", "nbflow-badge");
  const where = make("span", "nbflow-where");
  const time = make("span", "nbflow-time");
  const open = make("span", "nbflow-open");
  const notifier = makeNotifier(signal);
  const title = make("div", "nbflow-title", [flow, number, why, badge, where, time, open, notifier.element]);
  const bar = make("div", "nbflow-bar", "", { role: "progressbar", "aria-label": "tasks done", "aria-valuemin": 0 });
  const counts = make("div", "nbflow-counts");
  const problem = make("div", "nbflow-problem", "", { role: "alert" });
  const blocked = make("div", "nbflow-blocked-note", "", { role: "status", hidden: "" });
  el.replaceChildren(title, bar, counts, blocked, problem);

  const find = (/** @type {string} */ part) => () => el.closest(".nbflow-panel")?.querySelector(part);

  const body = await host.getModel(model.get("body"));
  if (signal.aborted) return;
  /** @type {Head} */
  let head = body.get("snapshot").head;

  const taken = () => (head.seconds === null ? null : runTime(head, performance.now()));
  const tick = () => say(time, timeText(head, taken(), performance.now()));
  const dismiss = () => {
    model.set("error", "");
    model.save_changes();
    paintError();
    // The button that had the focus is gone.
    /** @type {HTMLElement | null | undefined} */ (find(".nbflow-controls button:not(:disabled)")())?.focus();
  };
  const paintError = () => paintProblem(problem, head.leaks, model.get("error"), dismiss);
  const paint = (/** @type {Patch} */ patch) => {
    head = patch.head;
    say(flow, head.flow);
    say(number, head.number === null ? "not run yet" : `run ${head.number}`);
    say(why, head.why);
    say(where, whereText(head));
    badge.className = withClass(badge.className, "nbflow-state-", head.look || head.state);
    badge.hidden = head.number === null;
    say(badge, head.line);
    badge.title = head.note;
    tick();
    if (open.dataset.shown !== String(head.open)) {
      open.dataset.shown = String(head.open);
      open.replaceChildren(...head.open.map(([icon, name, status]) =>
        make("span", `nbflow-chip nbflow-block-${status}`, `${icon} ${name} ${status}`)));
    }
    paintBar(bar, head);
    say(counts, progressText(head));
    notifier.look(head);
    paintError();
  };
  listen(body, signal, "msg:custom", (message) => {
    if (message?.kind === "patch") paint(message.patch);
  });
  listen(body, signal, "change:snapshot", () => paint(body.get("snapshot")));
  listen(model, signal, "change:error", paintError);
  everySecond(signal, () => head.going && tick());
  paint(body.get("snapshot"));
  whenGone(view, (why) => {
    const gone = make("div", "nbflow-gone-bar", goneText(head, why), { role: "alert" });
    el.prepend(gone);
    paint({ ...body.get("snapshot"), head: lastHead(head, taken()) });
  });
  const edits = watchEdits({ model: body, el, signal });
  whenThere(el, find(".nbflow-controls"), signal, (controls) => {
    greyWhileBlocked(controls, blocked, view); // first: it keeps clicks from the others
    bringEdits(controls, signal, edits, (command, fields) => body.send({ kind: "press", command, fields }));
    tendButtons(controls, signal);
  });
  whenThere(el, find(".nbflow-entries"), signal, (form) => tendForm(form, signal));
}

/** @param {HTMLElement} bar @param {Head} head */
function paintBar(bar, head) {
  bar.setAttribute("aria-valuemax", String(head.total));
  bar.setAttribute("aria-valuenow", String(head.done));
  bar.setAttribute("aria-valuetext", progressText(head));
  const wanted = head.counts.map(([name]) => name).join(" ");
  if (bar.dataset.parts !== wanted) {
    bar.dataset.parts = wanted;
    bar.replaceChildren(...head.counts.map(([name]) => make("span", `nbflow-part nbflow-state-${name}`)));
  }
  head.counts.forEach(([, word, count], i) => {
    const part = /** @type {HTMLElement} */ (bar.children[i]);
    part.style.flexGrow = String(count);
    part.title = `${count} ${word}`;
  });
}

/**
 * An error goes when it is dismissed, or with the next command; what is left of a resource stays named.
 * @param {HTMLElement} problem @param {string[]} leaks @param {string} error @param {() => void} dismiss
 */
function paintProblem(problem, leaks, error, dismiss) {
  const lines = leaks.map((leak) => `▲ cleanup failed, the resource may be left, see %flow resources: ${leak}`);
  if (error) lines.push(`✗ ${error}`);
  problem.hidden = !lines.length;
  if (problem.dataset.shown === lines.join("\n")) return;
  problem.dataset.shown = lines.join("\n");
  problem.replaceChildren(...lines.map((line, i) => {
    const element = make("div", "nbflow-problem-line", [make("span", "", line)]);
    if (error && i === lines.length - 1) element.append(makeButton("Dismiss", "nbflow-dismiss", dismiss));
    return element;
  }));
}

export default { render: renderHead };
