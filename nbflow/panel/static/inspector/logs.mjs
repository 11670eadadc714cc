// @ts-check
/** What the selected task printed, logged and warned: it grows while the task runs, and follows its end. */
import { copyButton } from "../common/copy.mjs";
import { make, say } from "../common/dom.mjs";
import { addPieces, textOfLines, trimLines } from "./log-lines.mjs";
import { formatSeconds } from "../common/format.mjs";

const NEAR_END_PX = 24;

/** @param {import("../common/store.mjs").Store} store */
export function makeLog(store) {
  const note = make("span", "nbflow-faint");
  const box = make("div", "nbflow-log-lines", "", {
    tabindex: 0, role: "log", "aria-label": "output",
    "aria-live": "off", // it may be a thousand lines a second
  });
  /** @type {import("./log-lines.mjs").Said[]} */
  const lines = [];
  let omitted = 0;
  const bar = make("div", "nbflow-log-bar", [note, copyButton(store, "Copy output", () => textOfLines(lines))]);
  const element = make("div", "nbflow-log", [bar, box]);

  const paintNote = () => {
    const count = `${lines.length.toLocaleString("en")} line${lines.length === 1 ? "" : "s"}`;
    say(note, omitted ? `… ${omitted.toLocaleString("en")} characters before this are in run.logs` : count);
  };
  return {
    element,
    get isEmpty() { return !lines.length; },
    clear() {
      lines.length = 0;
      omitted = 0;
      box.replaceChildren();
      paintNote();
    },
    /** @param {{from: number, omitted: number, lines: import("./log-lines.mjs").Piece[]}} told */
    add(told) {
      if (told.from === 0) this.clear();
      const follows = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
      const first = addPieces(lines, told.lines);
      while (box.children.length > first) box.lastElementChild?.remove();
      box.append(...lines.slice(first).map(lineOf));
      const before = lines.length;
      omitted += told.omitted + trimLines(lines);
      for (let i = lines.length; i < before; i++) box.firstElementChild?.remove();
      paintNote();
      if (follows) box.scrollTop = box.scrollHeight;
    },
  };
}

/** @param {import("./log-lines.mjs").Said} line */
function lineOf({ time, stream, text, index, attempt }) {
  return make("div", `nbflow-said ${stream === "stdout" ? "" : "nbflow-said-loud"}`, [
    make("span", "nbflow-said-time", formatSeconds(time), { title: `after the start of the run; attempt ${attempt}` }),
    make("span", "nbflow-said-from", index === null ? stream : `${stream} [${index}]`),
    make("span", "nbflow-said-text", text.replace(/\r$/, "")),
  ]);
}
