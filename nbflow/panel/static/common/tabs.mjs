// @ts-check
/**
 * Views of which one is in front, chosen by tabs: the pattern of the ARIA Authoring Practices.
 *
 * @typedef {{name: string, label: string, element: HTMLElement}} Tab
 */
import { make } from "./dom.mjs";

let made = 0;

/**
 * @param {import("./store.mjs").Store} store  @param {Tab[]} tabs
 * @returns {{list: HTMLElement, panels: HTMLElement, show: (name: string) => void}}
 */
export function makeTabs(store, tabs) {
  const list = make("div", "nbflow-tabs");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "views");
  const panels = make("div", "nbflow-views");
  const id = `nbflow-tabs-${++made}-${Math.random().toString(36).slice(2, 8)}`;
  const buttons = tabs.map(({ name, label, element }) => {
    const button = make("button", "nbflow-tab", label);
    button.setAttribute("type", "button");
    button.setAttribute("role", "tab");
    button.id = `${id}-${name}`;
    button.dataset.view = name;
    button.addEventListener("click", () => show(name));
    element.classList.add("nbflow-view");
    element.dataset.view = name;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", button.id);
    element.id = `${id}-${name}-view`;
    button.setAttribute("aria-controls", element.id);
    return button;
  });
  /** @param {string} name */
  const show = (name) => {
    tabs.forEach(({ element }, i) => {
      const isFront = tabs[i].name === name;
      buttons[i].setAttribute("aria-selected", String(isFront));
      buttons[i].tabIndex = isFront ? 0 : -1;
      element.hidden = !isFront;
    });
    store.tell("view", name);
  };
  list.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(/** @type {HTMLElement} */ (event.target));
    const last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    buttons[to].focus();
    show(tabs[to].name);
  });
  list.append(...buttons);
  panels.append(...tabs.map(({ element }) => element));
  return { list, panels, show };
}
