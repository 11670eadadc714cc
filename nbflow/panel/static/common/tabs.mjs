// @ts-check
/**
 * Views of which one is in front, chosen by tabs: the pattern of the ARIA Authoring Practices.
 *
 * @typedef {{name: string, label: string, element: HTMLElement}} Tab
 */
import { make, makeButton, uniqueId } from "./dom.mjs";

/**
 * @param {import("./store.mjs").Store} store  @param {Tab[]} tabs
 * @returns {{list: HTMLElement, panels: HTMLElement, show: (name: string) => void,
 *   label: (name: string, text: string, isHidden: boolean) => void}}
 */
export function makeTabs(store, tabs) {
  const list = make("div", "nbflow-tabs", "", { role: "tablist", "aria-label": "views" });
  const panels = make("div", "nbflow-views");
  const id = uniqueId("tabs");
  const buttons = tabs.map(({ name, label, element }) => {
    element.classList.add("nbflow-view");
    element.dataset.view = name;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", `${id}-${name}`);
    element.id = `${id}-${name}-view`;
    return makeButton(label, "nbflow-tab", () => show(name), {
      role: "tab", id: `${id}-${name}`, "data-view": name, "aria-controls": element.id,
    });
  });
  /** @param {string} name */
  const show = (name) => {
    if (buttons.find((one) => one.dataset.view === name)?.hidden) return;
    tabs.forEach(({ element }, i) => {
      const isFront = tabs[i].name === name;
      buttons[i].setAttribute("aria-selected", String(isFront));
      buttons[i].tabIndex = isFront ? 0 : -1;
      element.hidden = !isFront;
    });
    store.tell("view", name);
  };
  list.addEventListener("keydown", (event) => {
    const there = buttons.filter((one) => !one.hidden);
    const at = there.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const last = there.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    there[to].focus();
    show(there[to].dataset.view ?? "");
  });
  list.append(...buttons);
  panels.append(...tabs.map(({ element }) => element));
  /** Call a tab something else, or take it away while there is nothing in it. @type {ReturnType<typeof makeTabs>["label"]} */
  const label = (name, text, isHidden) => {
    const button = buttons.find((one) => one.dataset.view === name);
    if (!button) return;
    const wasInFront = isHidden && button.getAttribute("aria-selected") === "true";
    const hadFocus = button === document.activeElement;
    if (button.textContent !== text) button.textContent = text;
    button.hidden = isHidden;
    if (!wasInFront) return;
    show(tabs[0].name);
    if (hadFocus) buttons[0].focus();
  };
  return { list, panels, show, label };
}
