// @ts-check
/** Output that grows: of one task, or of a whole run. It follows its end, can be searched, and shown from a level on. */
import { copyButton } from "../common/copy.mjs";
import { make, makeButton, say } from "../common/dom.mjs";
import { makeLogFinder } from "./log-finder.mjs";
import { addPieces, cutAtFinds, rankOf, textOfLines, trimLines } from "./log-lines.mjs";
import { formatSeconds } from "../common/format.mjs";

const NEAR_END_PX = 24;

/** @param {import("../common/store.mjs").Store} store  @param {string} label */
export function makeLog(store, label = "output") {
  const note = make("span", "nbflow-faint nbflow-log-note");
  const box = make("div", "nbflow-log-lines", "", {
    tabindex: 0, role: "log", "aria-label": label,
    "aria-live": "off", // it may be a thousand lines a second
  });
  /** @type {import("./log-lines.mjs").Said[]} */
  const lines = [];
  let omitted = 0;
  const finder = makeLogFinder(label, box, () => build(0));
  const bar = make("div", "nbflow-log-bar", [note, finder.element, copyButton(store, `Copy ${label}`, () => textOfLines(lines))]);
  const element = make("div", "nbflow-log", [bar, box]);

  const paintNote = () => {
    const count = `${lines.length.toLocaleString("en")} line${lines.length === 1 ? "" : "s"}`;
    say(note, omitted ? `… ${omitted.toLocaleString("en")} characters before this are in run.logs` : count);
  };
  /** Put the lines from number `first` on into the page again. @param {number} first */
  const build = (first) => {
    while (box.children.length > first) box.lastElementChild?.remove();
    box.append(...lines.slice(first).map((line) => lineOf(store, line, finder)));
    finder.count();
  };
  return {
    element,
    get isEmpty() { return !lines.length; },
    clear() {
      lines.length = 0;
      omitted = 0;
      box.replaceChildren();
      finder.count();
      paintNote();
    },
    /** @param {{from: number, omitted: number, lines: import("./log-lines.mjs").Piece[]}} told */
    add(told) {
      if (told.from === 0) this.clear();
      const follows = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
      build(addPieces(lines, told.lines));
      const before = lines.length;
      omitted += told.omitted + trimLines(lines);
      for (let i = lines.length; i < before; i++) box.firstElementChild?.remove();
      finder.count();
      paintNote();
      if (follows) box.scrollTop = box.scrollHeight;
    },
    /** Show the newest. */
    toEnd() { box.scrollTop = box.scrollHeight; },
  };
}

/**
 * @param {import("../common/store.mjs").Store} store  @param {import("./log-lines.mjs").Said} line
 * @param {{text: string, rank: number}} finder
 */
function lineOf(store, { time, stream, text, index, attempt, task, key }, { text: wanted, rank }) {
  const finds = cutAtFinds(text.replace(/\r$/, ""), wanted).map((part, i) => (i % 2 ? make("mark", "nbflow-found-text", part) : part));
  const parts = [
    make("span", "nbflow-said-time", formatSeconds(time), { title: `after the start of the run; attempt ${attempt}` }),
    make("span", "nbflow-said-from", task || index === null ? stream : `${stream} [${index}]`),
    make("span", "nbflow-said-text", finds),
  ];
  if (task) {
    const name = `${task}${index === null ? "" : ` [${index}]`}`;
    parts.splice(1, 0, makeButton(name, "nbflow-said-task", () => store.select(key, index), { title: `Inspect ${name}` }));
  }
  const classes = ["nbflow-said", stream === "stdout" ? "" : "nbflow-said-loud", task ? "nbflow-said-named" : ""];
  const element = make("div", classes.filter(Boolean).join(" "), parts);
  element.hidden = rankOf(stream) < rank;
  return element;
}
