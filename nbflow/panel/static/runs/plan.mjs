// @ts-check
/**
 * What a rerun would do, shown above the views before it does it; what would run is marked in the graph and the table.
 *
 * @typedef {[key: string, name: string, runs: 0 | 1, why: string, expected: string]} PlanRow
 * @typedef {{is_shown: boolean, what: string, title: string, number: number | null, cancels: string, note: string,
 *   is_empty: boolean, headline: string, rows: PlanRow[], more: [runs: number, reused: number],
 *   blocks: [name: string, why: string][], closed: number, parameters: [name: string, was: string, will: string][],
 *   gone: string[], keys: string[], follow?: string, changes?: [slug: string, why: string][],
 *   choices?: [label: string, what: string, id: string][]}} Plan
 */
import { make, pushButton, say, uniqueId } from "../common/dom.mjs";
import { replaceKeepingPlace } from "../common/sections.mjs";

/** @param {import("../common/store.mjs").Store} store */
export function makePlan(store) {
  const id = uniqueId("plan");
  const title = make("h3", "nbflow-plan-title", "", { id });
  const headline = make("p", "nbflow-plan-headline", "", { role: "status" });
  const content = make("div", "nbflow-plan-content");
  const start = pushButton("Rerun now", "nbflow-plan-start", () => store.sendWithEdits(plan?.follow ?? "follow"));
  const drop = pushButton("Close", "nbflow-close", () => close());
  const all = pushButton("Plan a rerun of everything", "nbflow-plan-all", () => store.sendWithEdits("plan", { what: "all" }));
  const choices = make("span", "nbflow-plan-choices");
  const buttons = make("div", "nbflow-plan-buttons", [start, choices, all, drop]);
  const parts = [title, headline, content, buttons];
  const element = make("section", "nbflow-plan", parts, { role: "dialog", "aria-labelledby": id, hidden: "" });
  /** @type {Plan | null} */
  let plan = null;
  /** @type {HTMLElement | null} */
  let focusedBefore = null;

  const close = () => {
    store.send("drop_plan");
    hide();
  };
  const hide = () => {
    const hadFocus = element.contains(document.activeElement);
    plan = null;
    element.hidden = true;
    mark();
    if (hadFocus && focusedBefore?.isConnected) focusedBefore.focus({ preventScroll: true });
    focusedBefore = null;
  };
  const show = (/** @type {Plan} */ told) => {
    const wasHidden = element.hidden;
    plan = told;
    title.textContent = told.title;
    headline.textContent = told.headline;
    replaceKeepingPlace(content, told.is_empty ? changed(told.changes ?? []) : details(told));
    say(start, told.follow ? "Resume now" : "Rerun now");
    const wasChoosing = choices.contains(document.activeElement); // its button goes: the focus stays in the dialog
    choices.replaceChildren(...(told.choices ?? []).map(([label, what, run]) =>
      pushButton(label, "nbflow-plan-choice", () => store.sendWithEdits("resume", { id: run, what }))));
    const isPossible = !told.is_empty;
    start.hidden = !isPossible;
    all.hidden = isPossible || !told.what || told.what === "all";
    element.hidden = false;
    mark();
    if (wasChoosing) (isPossible ? start : drop).focus({ preventScroll: true });
    // The view in which it was asked for gets the focus; another view of the same panel keeps its own.
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const isHere = focused && store.el.closest(".nbflow-panel")?.contains(focused);
    if (wasHidden && isHere) {
      focusedBefore = focused;
      (isPossible ? start : drop).focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    } else if (element.contains(focused) && focused?.hidden) (isPossible ? start : drop).focus();
  };
  const mark = () => {
    const keys = plan && !plan.is_empty ? plannedNodes(plan.keys, store.drawing.shown ?? {}) : null;
    const panel = store.el;
    panel.classList.toggle("nbflow-planning", keys !== null);
    for (const group of panel.querySelectorAll(".nbflow-graph g[data-key]")) {
      group.classList.toggle("nbflow-planned", keys?.has(/** @type {SVGElement} */ (group).dataset.key ?? "") ?? false);
    }
  };
  store.on("plan", (told) => (told.is_shown ? show(told) : hide()));
  store.on("drawing", mark);
  return element;
}

/**
 * The nodes and boxes that stand for what runs: of what is folded, that into which it is.
 * @param {string[]} keys  @param {Record<string, string>} shown
 */
export function plannedNodes(keys, shown) {
  return new Set(keys.map((key) => shown[key] ?? key));
}

/** What the list leaves out, in words. @param {[runs: number, reused: number]} more @param {number} listed */
export function moreText([runs, reused], listed) {
  const words = [];
  if (runs) words.push(`${runs.toLocaleString("en")} more ${runs === 1 ? "runs" : "run"}`);
  if (reused) words.push(`${reused.toLocaleString("en")} ${reused === 1 ? "is" : "are"} reused`);
  return words.length ? `${listed ? "… and " : ""}${words.join(", ")}` : "";
}

/** What has changed since a run was stored. @param {[slug: string, why: string][]} changes @returns {HTMLElement[]} */
function changed(changes) {
  if (!changes.length) return [];
  return [make("ul", "nbflow-plan-changes", changes.map(([slug, why]) =>
    make("li", "", [make("strong", "", slug), make("span", "", `: ${why}`)])))];
}

/** @param {Plan} plan @returns {HTMLElement[]} */
function details(plan) {
  const found = [];
  for (const text of [plan.note, plan.cancels]) if (text) found.push(make("p", "nbflow-plan-note", text));
  if (plan.parameters.length) {
    found.push(make("p", "nbflow-plan-parameters", plan.parameters.flatMap(([name, was, will], i) => [
      make("span", "", i ? ", " : "With "), make("strong", "", name), make("span", "", ` = ${will} (was ${was})`),
    ])));
  }
  const rows = plan.rows.map(([key, name, runs, why, expected]) =>
    make("tr", runs === 1 ? "nbflow-runs-again" : "nbflow-reused", [
      make("th", "nbflow-plan-task", name, { scope: "row" }), make("td", "", ["= reused", "▶ runs", "✎ set"][runs]),
      make("td", "nbflow-plan-why", why), make("td", "nbflow-plan-time", expected),
    ], { "data-key": key }));
  const table = make("table", "", [make("tbody", "", rows)], { "aria-label": "tasks" });
  const scroll = make("div", "nbflow-plan-rows", [table], {
    "data-id": "rows", tabindex: 0, role: "region", "aria-label": "what runs and why",
  });
  const more = moreText(plan.more, plan.rows.length);
  if (more) scroll.append(make("p", "nbflow-plan-more", more));
  if (plan.rows.length || more) found.push(scroll);
  if (plan.blocks.length) {
    found.push(make("p", "nbflow-plan-blocks", plan.blocks.flatMap(([name, why], i) => [
      make("span", "", i ? "; " : "Opens "), make("strong", "", name), make("span", "", ` (${why})`),
    ])));
  }
  if (plan.gone.length) found.push(make("p", "", `The flow no longer has ${plan.gone.join(", ")}.`));
  return found;
}
