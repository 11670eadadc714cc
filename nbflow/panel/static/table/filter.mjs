// @ts-check
/** Search by name, and filter by state: what is found stands out in every view. */
import { drawIcon, make, makeButton, say } from "../common/dom.mjs";
import { nextMatch, stateCounts, stateWord } from "./matches.mjs";

const LENS = "M7 12.2A5.2 5.2 0 1 0 7 1.8a5.2 5.2 0 0 0 0 10.4ZM10.8 10.8 14.5 14.5";
const FUNNEL = "M1.8 3h12.4M4 8h8M6.3 13h3.4";

/** @param {import("../common/store.mjs").Store} store */
export function makeFilter(store) {
  const count = make("span", "nbflow-found");
  const parts = [makeSearch(store, count), makeStateMenu(store)];
  const element = make("div", "nbflow-filter", parts, { role: "search", "aria-label": "tasks" });

  const found = (/** @type {boolean} */ isAsked) => {
    const { text, states } = store.filter;
    const total = store.order.length;
    const some = text || states.size ? `${store.order.filter(({ key }) => store.matches(key)).length} of ${total}` : "";
    // Read out when somebody asks, not whenever a run changes it.
    count.setAttribute("aria-live", isAsked ? "polite" : "off");
    say(count, some);
  };
  store.on("filter", () => found(true));
  store.on("picture", () => found(false));
  store.on("patch", () => store.filter.states.size && found(false));
  return element;
}

/** @param {import("../common/store.mjs").Store} store @param {HTMLElement} count */
function makeSearch(store, count) {
  const input = make("input", "nbflow-search-text", "", {
    type: "search", placeholder: "Search tasks", "aria-label": "search tasks", autocomplete: "off", spellcheck: "false",
  });
  const element = make("div", "nbflow-search", [drawIcon(LENS), input, count]);
  input.addEventListener("input", () => store.setFilter({ text: input.value.trim() }));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      const found = store.order.map(({ key }) => key).filter(store.matches);
      const to = nextMatch(found, store.selected.key, event.shiftKey ? -1 : 1);
      if (to) store.select(to);
    } else if (event.key === "Escape" && input.value) {
      input.value = "";
      store.setFilter({ text: "" });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return element;
}

/** @param {import("../common/store.mjs").Store} store */
function makeStateMenu(store) {
  const button = makeButton("", "nbflow-states-button", () => open(menu.hidden), {
    "aria-expanded": "false", "aria-label": "filter by state",
  });
  const label = make("span", "", "State");
  button.append(drawIcon(FUNNEL), label);
  const menu = make("div", "nbflow-states-menu", "", { role: "group", "aria-label": "show only", hidden: "" });
  const element = make("div", "nbflow-states", [button, menu]);

  const open = (/** @type {boolean} */ isOpen) => {
    menu.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) fill();
  };
  const choose = (/** @type {Set<string>} */ states) => {
    store.setFilter({ states });
    const words = [...states].map((state) => stateWord(state).toLowerCase());
    say(label, words.length > 1 ? `${words.length} states` : words[0] ?? "State");
    button.classList.toggle("nbflow-on", states.size > 0);
    button.setAttribute("aria-label", `filter by state${words.length ? `: ${words.join(", ")}` : ""}`);
  };
  const clear = makeButton("Show all", "nbflow-states-clear", () => {
    choose(new Set());
    open(false);
    button.focus();
  });
  /** @type {Map<string, {line: HTMLElement, box: HTMLInputElement, count: HTMLElement}>} */
  const lines = new Map();
  const fill = () => {
    const counts = stateCounts(store.rows.values());
    const missing = [...store.filter.states].filter((state) => !counts.some((one) => one.state === state));
    counts.push(...missing.map((state) => ({ state, icon: "", word: stateWord(state), count: 0 })));
    const wanted = counts.map((one) => {
      const known = lines.get(one.state) ?? stateLine(one, (isOn) => {
        const states = new Set(store.filter.states);
        if (isOn) states.add(one.state);
        else states.delete(one.state);
        choose(states);
      });
      lines.set(one.state, known);
      known.box.checked = store.filter.states.has(one.state);
      say(known.count, String(one.count));
      return known.line;
    });
    // Moving a box that has the focus would take it away: nothing is moved that stands right.
    if ([...menu.children].slice(0, -1).some((line, i) => line !== wanted[i]) || menu.children.length !== wanted.length + 1) {
      const focused = /** @type {HTMLElement | null} */ (menu.querySelector(":focus"));
      menu.replaceChildren(...wanted, clear);
      focused?.focus();
    }
    clear.disabled = !store.filter.states.size;
  };
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || (menu.hidden && !store.filter.states.size)) return;
    if (menu.hidden) choose(new Set());
    else open(false);
    button.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!menu.hidden && !element.contains(/** @type {Node} */ (target))) open(false);
  }, { signal: store.signal, capture: true });
  element.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !element.contains(/** @type {Node} */ (relatedTarget))) open(false);
  });
  store.on("filter", () => !menu.hidden && fill());
  store.on("patch", () => !menu.hidden && fill());
  return element;
}

/**
 * @param {{state: string, icon: string, word: string}} state  @param {(isOn: boolean) => void} choose
 */
function stateLine({ state, icon, word }, choose) {
  const box = make("input", "", "", { type: "checkbox" });
  box.addEventListener("change", () => choose(box.checked));
  const count = make("span", "nbflow-states-count");
  const badge = make("span", `nbflow-badge nbflow-state-${state}`, `${icon} ${word}`.trim());
  return { line: make("label", "nbflow-states-line", [box, badge, count]), box, count };
}
