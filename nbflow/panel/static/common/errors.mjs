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
    const box = make("div", "nbflow-error");
    if (link.relation) box.append(make("div", "nbflow-relation", link.relation));
    const title = make("div", "nbflow-error-title");
    title.append(make("strong", "", link.type));
    if (link.message) title.append(make("span", "nbflow-error-message", `: ${link.message}`));
    box.append(title, ...link.notes.map((note) => make("div", "nbflow-error-note", note)));
    box.append(...framesOf(link));
    return box;
  });
  const whole = make("details", "nbflow-astext");
  const pre = make("pre", "nbflow-pre", text, { tabindex: 0 });
  whole.append(make("summary", "", "Traceback"), pre);
  const bar = make("div", "nbflow-log-bar");
  bar.append(make("span"), copyButton(store, "Copy traceback", () => text));
  return [...shown, whole, bar];
}

/** @param {Link} link */
function framesOf({ frames, left, others, others_left: othersLeft }) {
  const shown = [];
  if (frames.length) {
    const list = make("ol", "nbflow-frames", "", { "aria-label": "where, newest call first" });
    list.append(...frames.map(frameOf));
    shown.push(list);
  }
  if (left) shown.push(make("div", "nbflow-faint", `${left} more of your own`));
  if (others.length) {
    const more = make("details", "nbflow-astext");
    const count = others.length + othersLeft;
    const list = make("ol", "nbflow-frames");
    list.append(...others.map(frameOf));
    more.append(make("summary", "", `${count} more frame${count === 1 ? "" : "s"} of libraries`), list);
    if (othersLeft) more.append(make("div", "nbflow-faint", `${othersLeft} of them are in the traceback only`));
    shown.push(more);
  }
  return shown;
}

/** @param {Frame} frame */
function frameOf({ place, line, name, code }) {
  const item = make("li");
  const where = make("div", "nbflow-frame-where");
  where.append(make("span", "nbflow-place", place), make("span", "nbflow-faint", `line ${line}, in `), make("code", "", name));
  item.append(where);
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
