// @ts-check
/**
 * The sections of the inspector: each can be opened and closed, and stays as the user left it, whatever is selected.
 *
 * @typedef {{element: HTMLDetailsElement, body: HTMLElement, extra: HTMLElement}} Section
 */
import { make, say } from "./dom.mjs";

/** Make the sections, in order, as [name, label]. @param {[string, string][]} wanted */
export function makeSections(wanted) {
  const element = make("div", "nbflow-sections");
  /** @type {Map<string, Section>} */
  const sections = new Map();
  /** @type {Map<string, boolean>} */
  const wished = new Map();
  for (const [name, label] of wanted) {
    const extra = make("span", "nbflow-extra");
    const summary = make("summary", "", [make("span", "nbflow-section-name", label), extra]);
    const body = make("div", "nbflow-section-body");
    const section = make("details", "nbflow-section", [summary, body], { "data-section": name, hidden: "" });
    summary.addEventListener("click", () => wished.set(name, !section.open));
    sections.set(name, { element: section, body, extra });
    element.append(section);
  }
  const find = (/** @type {string} */ name) => /** @type {Section} */ (sections.get(name));
  return {
    element,
    body: (/** @type {string} */ name) => find(name).body,
    /** @param {string} name */
    hide(name) {
      find(name).element.hidden = true;
      find(name).body.replaceChildren();
    },
    hideAll() { for (const name of sections.keys()) this.hide(name); },
    /**
     * Show a section; without `content` it stays as it is.
     * @param {string} name  @param {Element[] | null} content  @param {{extra?: string, open?: boolean}} [options]
     */
    show(name, content, { extra = "", open = true } = {}) {
      const { element: section, body, extra: more } = find(name);
      say(more, extra);
      if (section.hidden) {
        section.hidden = false;
        section.open = wished.get(name) ?? open;
      }
      if (content) replaceKeepingPlace(body, content);
    },
  };
}

/**
 * Replace children. What is known by its `data-id` keeps the focus, what was typed into it, and how far it is scrolled.
 * @param {Element} element  @param {Element[]} children
 */
export function replaceKeepingPlace(element, children) {
  const kept = () => /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-id]"));
  const known = new Map([...kept()].map((one) => [one.dataset.id, { one, top: one.scrollTop }]));
  const focused = document.activeElement;
  element.replaceChildren(...children);
  for (const next of kept()) {
    const before = known.get(next.dataset.id);
    if (before?.top) next.scrollTop = before.top;
    if (!before || before.one !== focused) continue;
    if (next instanceof HTMLInputElement) next.value = /** @type {HTMLInputElement} */ (focused).value;
    next.focus({ preventScroll: true });
  }
}
