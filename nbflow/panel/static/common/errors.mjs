// @ts-check
/**
 * An error: what it says, where in the user's own code it came from, the other frames folded, notes and causes.
 *
 * @typedef {{place: string, line: number, name: string, code: string}} Frame
 * @typedef {{relation: string, type: string, message: string, notes: string[], frames: Frame[], left: number,
 *   others: Frame[], others_left: number}} Link
 */
import { copyButton } from "./copy.mjs";
import { make } from "./dom.mjs";

/** @param {import("./store.mjs").Store} store @param {{chain: Link[], text: string}} error */
export function errorOf(store, { chain, text }) {
  const shown = chain.map((link) => {
    const title = make("div", "nbflow-error-title", [make("strong", "", link.type)]);
    if (link.message) title.append(make("span", "nbflow-error-message", `: ${link.message}`));
    const notes = link.notes.map((note) => make("div", "nbflow-error-note", note));
    const box = make("div", "nbflow-error", [title, ...notes, ...framesOf(link)]);
    if (link.relation) box.prepend(make("div", "nbflow-relation", link.relation));
    return box;
  });
  const pre = make("pre", "nbflow-pre", text, { tabindex: 0 });
  const whole = make("details", "nbflow-astext", [make("summary", "", "Traceback"), pre]);
  const bar = make("div", "nbflow-log-bar", [make("span"), copyButton(store, "Copy traceback", () => text)]);
  return [...shown, whole, bar];
}

/** @param {Link} link */
function framesOf({ frames, left, others, others_left: othersLeft }) {
  const shown = [];
  if (frames.length) {
    shown.push(make("ol", "nbflow-frames", frames.map(frameOf), { "aria-label": "where, newest call first" }));
  }
  if (left) shown.push(make("div", "nbflow-faint", `${left} more of your own`));
  if (others.length) {
    const count = others.length + othersLeft;
    const head = make("summary", "", `${count} more frame${count === 1 ? "" : "s"} of libraries`);
    const more = make("details", "nbflow-astext", [head, make("ol", "nbflow-frames", others.map(frameOf))]);
    if (othersLeft) more.append(make("div", "nbflow-faint", `${othersLeft} of them are in the traceback only`));
    shown.push(more);
  }
  return shown;
}

/** @param {Frame} frame */
function frameOf({ place, line, name, code }) {
  const item = make("li", "", [make("div", "nbflow-frame-where", [
    make("span", "nbflow-place", place), make("span", "nbflow-faint", `line ${line}, in `), make("code", "", name),
  ])]);
  if (code) item.append(make("pre", "nbflow-pre nbflow-line-of-code", code));
  return item;
}

/** @param {{text: string, place: string, line: number, problem: string, changed: string, doc: string}} source */
export function sourceOf({ text, place, line, problem, changed, doc }) {
  const shown = [];
  if (changed) {
    const what = changed === "its code" ? "The function was redefined" : `${changed} has changed`;
    shown.push(make("p", "nbflow-hint", `${what} since; Retry runs the new one. This is the source as it ran.`));
  }
  if (doc) shown.push(make("p", "nbflow-doc", doc));
  if (problem) return [...shown, make("p", "nbflow-faint", problem)];
  // An element without a role may have no name.
  const name = `source, ${place}, from line ${line}`;
  const pre = make("pre", "nbflow-pre nbflow-code", "", { tabindex: 0, role: "group", "aria-label": name });
  pre.style.setProperty("--nbflow-first", String(line - 1));
  for (const one of text.replace(/\n$/, "").split("\n")) {
    pre.append(make("span", "nbflow-code-line", one), "\n");
  }
  return [...shown, pre];
}
