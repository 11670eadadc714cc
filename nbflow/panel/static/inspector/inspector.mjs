// @ts-check
/** All that is known of the selected task, and what can be done with it. The kernel tells it section by section. */
import { makeActions } from "./actions.mjs";
import { everySecond, make, makeButton, say } from "../common/dom.mjs";
import { errorOf, sourceOf } from "../common/errors.mjs";
import { makeChildrenTable } from "./children-table.mjs";
import { chipRow, elsewhereOf, historyOf, inputsOf } from "./detail-sections.mjs";
import { makeTitle } from "./inspected.mjs";
import { makeLog } from "../logs/log-view.mjs";
import { showRich } from "../common/rich.mjs";
import { makeSections } from "../common/sections.mjs";

/** @type {[string, string][]} */
const SECTIONS = [
  ["error", "Error"], ["next", "Next steps"], ["members", "Tasks"], ["children", "Children"], ["facts", "Resource"], ["result", "Result"],
  ["inputs", "Inputs"], ["output", "Output"], ["history", "History"], ["source", "Source"],
];

/** @param {import("../common/store.mjs").Store} store */
export function makeInspector(store) {
  const close = makeButton("✕", "nbflow-push nbflow-close", () => store.select(""), {
    "aria-label": "Close the details", title: "Close (Esc)",
  });
  const title = makeTitle(store, close);
  const actions = makeActions(store);
  const log = makeLog(store);
  const table = makeChildrenTable(store);
  const sections = makeSections(SECTIONS);
  const parts = [title.element, title.more, actions.element, sections.element];
  const element = make("section", "nbflow-inspector", parts, { tabindex: -1, hidden: "" });
  /** @type {Record<string, any>} */
  let known = {};
  let shownResult = new AbortController();
  /** @type {HTMLElement | null} */
  let cameFrom = null;
  store.signal.addEventListener("abort", () => shownResult.abort());

  const isMeant = (/** @type {{key: string, index: number | null}} */ { key, index }) =>
    key !== "" && key === store.selected.key && index === store.selected.index;
  const clear = () => {
    known = {};
    shownResult.abort();
    sections.hideAll();
    log.clear();
    actions.reset();
  };
  const choose = () => {
    const { key, index } = store.selected;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const hadFocus = element.contains(focused);
    if (element.hidden && key) cameFrom = focused;
    clear();
    element.hidden = !key;
    if (key) {
      title.begin(store.nameOf(key), index);
      actions.element.hidden = key.startsWith("block--") || key.startsWith("group--");
      element.scrollTop = 0;
      if (hadFocus) element.focus({ preventScroll: true }); // on what was pressed in here, which is gone
    } else if (hadFocus) backTo(store, cameFrom);
  };
  /** @param {{key: string, index: number | null, whole: boolean, sections: Record<string, any>}} told */
  const paint = (told) => {
    if (!isMeant(told)) return;
    const hadFocus = element.contains(document.activeElement);
    if (told.whole) { // perhaps of another run
      known = {};
      log.clear();
    }
    Object.assign(known, told.sections);
    element.setAttribute("aria-label", `details of ${known.head?.name ?? "what was selected"}`);
    for (const name of Object.keys(told.sections)) painters[name]?.(told.sections[name]);
    if (told.sections.head !== undefined) showOutput();
    const focused = document.activeElement;
    if (hadFocus && !(element.contains(focused) && focused?.checkVisibility())) element.focus({ preventScroll: true });
  };
  const showOutput = () => {
    const isTask = known.head?.what === "task" && known.head.number !== null;
    if (!isTask || (log.isEmpty && !known.head.going)) return sections.hide("output");
    const body = sections.body("output");
    sections.show("output", body.firstChild ? null : [log.element], { extra: log.isEmpty ? "nothing so far" : "" });
  };
  /** @type {Record<string, (section: any) => void>} */
  const painters = {
    head: (head) => title.paint(head),
    around: (around) => title.paintAround(around),
    actions: (told) => actions.paint(told, known.head?.number ?? null),
    members: (members) => {
      const counts = members.counts.map((/** @type {[string, string, number]} */ [state, line, count]) =>
        make("span", `nbflow-badge nbflow-state-${state}`, `${line} ${count.toLocaleString("en")}`));
      const row = make("div", "nbflow-chips", counts);
      const extra = members.total.toLocaleString("en");
      sections.show("members", [row, chipRow(store, members.listed, members.total, 40)], { extra });
    },
    children: (children) => {
      if (!children || !children.total) return sections.hide("children");
      const { total, failed } = children;
      const extra = `${total.toLocaleString("en")}${failed ? `, ${failed.toLocaleString("en")} failed` : ""}`;
      sections.show("children", sections.body("children").firstChild ? null : table.content, { extra });
      table.show(store.selected.key, children);
    },
    facts: ({ rows, handles }) => sections.show("facts", factsOf(rows, handles), { open: false }),
    inputs: (inputs) => {
      if (!inputs.rows.length) return sections.hide("inputs");
      sections.show("inputs", inputsOf(store, inputs), { extra: String(inputs.rows.length + inputs.left) });
    },
    result: (result) => {
      shownResult.abort();
      shownResult = new AbortController();
      if (!result) return sections.hide("result");
      const where = result.is_elsewhere && result.type ? "on a worker" : "";
      const extra = [result.title ?? "", result.type ?? "", result.size ?? "", where].filter(Boolean).join(" · ");
      const name = `result of ${known.head?.name ?? "the task"}`;
      const content = waiting(result) ?? (result.is_elsewhere
        ? elsewhereOf(store, result, known.head?.number ?? null)
        : showRich(store, result, name, shownResult.signal));
      sections.show("result", content, { extra });
    },
    error: (error) => {
      if (!error) return sections.hide("error");
      const extra = error.chain?.[0]?.type ?? "";
      sections.show("error", waiting(error) ?? errorOf(store, error), { extra });
    },
    next: (steps) => {
      if (!steps?.length) return sections.hide("next");
      sections.show("next", [make("ul", "nbflow-next", steps.map((/** @type {string} */ step) => make("li", "", step)))]);
    },
    history: (history) => {
      if (!history || !history.changes.length) return sections.hide("history");
      const tries = history.attempts.length;
      const count = history.changes.length + history.left;
      const extra = tries > 1 ? `${tries} attempts` : `${count} ${count === 1 ? "change" : "changes"}`;
      sections.show("history", historyOf(history), { extra, open: false });
    },
    source: (source) => {
      const extra = source.place ? `${source.place}${source.changed ? " · changed since" : ""}` : "";
      const open = known.head?.number === null || known.head?.state === "NotRun";
      sections.show("source", waiting(source) ?? sourceOf(source), { extra, open });
    },
  };
  store.on("select", choose);
  store.on("picture", () => {
    if (!store.selected.key && !element.hidden) choose();
  });
  store.on("detail", paint);
  store.on("log", (told) => {
    if (!isMeant(told)) return;
    log.add(told);
    showOutput();
  });
  store.on("acted", (told) => {
    if (!isMeant(told)) return;
    actions.acted(told);
    if (told.act === "fetch" && told.problem) painters.result(known.result); // it may be asked for again
  });
  everySecond(store.signal, () => !element.hidden && title.tick());
  return element;
}

/** What stands for something that is not there yet, or can not be had. @param {{pending?: boolean, problem?: string}} told */
function waiting({ pending, problem, ...rest }) {
  if (pending) return [make("p", "nbflow-faint", "…")];
  return problem && !("chain" in rest) && !("text" in rest) ? [make("p", "nbflow-hint", problem)] : null;
}

/** @param {[string, string][]} rows @param {{name: string, state: string, handle: string, note: string}[]} handles */
function factsOf(rows, handles) {
  const told = handles.map(({ name, state, handle, note }) =>
    [`${name} in the ledger`, [state, handle, note].filter(Boolean).join(" · ")]);
  const pairs = [...told, ...rows].flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]);
  return [make("dl", "nbflow-inputs nbflow-pairs", pairs)];
}

/** Give the focus back to what had it when the inspector opened. @param {import("../common/store.mjs").Store} store @param {HTMLElement | null} place */
function backTo(store, place) {
  const isThere = place?.isConnected && place.checkVisibility() && store.el.contains(place);
  const other = /** @type {HTMLElement | null} */ (store.el.querySelector(".nbflow-tasks table"));
  (isThere ? place : other)?.focus({ preventScroll: true });
}
