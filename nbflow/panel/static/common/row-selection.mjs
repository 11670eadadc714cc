// @ts-check
/** Choosing a row of a list: by a click, or by keys, for which the whole list is one stop of Tab. */

/**
 * The row that a key goes to, undefined for a key that goes nowhere.
 * @param {string} key  @param {number} at  -1 if none is chosen  @param {number} count  @param {number} page  rows
 */
export function rowAfter(key, at, count, page) {
  if (!count) return undefined;
  const to = {
    ArrowDown: at + 1,
    ArrowUp: at < 0 ? count - 1 : at - 1,
    PageDown: at + Math.max(1, page),
    PageUp: at < 0 ? 0 : at - Math.max(1, page),
    Home: 0,
    End: count - 1,
  }[key];
  return to === undefined ? undefined : Math.max(0, Math.min(count - 1, to));
}

/**
 * Let rows with a `data-key` be chosen; the selection is marked, and scrolled to when it comes from elsewhere.
 * @param {import("./store.mjs").Store} store
 * @param {HTMLElement} element  what takes the focus
 * @param {{entries: {key: string}[], place: (key: string) => number, touch: (key: string) => void,
 *   reveal: (key: string) => void}} roll
 * @param {() => number} page  how many rows fit into the view
 * @param {() => boolean} [isOn]  whether the rows are those that can be chosen
 */
export function letPick(store, element, roll, page, isOn = () => true) {
  let marked = "";
  element.addEventListener("click", (event) => {
    const row = /** @type {Element} */ (event.target).closest("[data-key]");
    if (row) store.select(/** @type {HTMLElement} */ (row).dataset.key ?? "");
  });
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== element || !isOn()) return;
    const to = rowAfter(event.key, roll.place(store.selected.key), roll.entries.length, page());
    if (to !== undefined) {
      store.select(roll.entries[to].key);
      roll.reveal(store.selected.key);
    } else if (event.key === "Enter" && roll.place(store.selected.key) >= 0) goToInspector(store);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  store.on("select", ({ key }) => {
    if (!isOn()) return;
    roll.touch(marked);
    roll.touch(key);
    marked = key;
    roll.reveal(key.replace(/^group--/, "")); // a group has the name of its first row
  });
}

/**
 * Whether a patch makes a filter by state find something more, or something no more.
 * @param {import("./store.mjs").Store} store  @param {{place: (key: string) => number}} roll
 * @param {import("./format.mjs").Patch} patch
 */
export function isListedOtherwise(store, roll, patch) {
  if (!store.filter.states.size) return false;
  return Object.keys(patch.rows).some((key) => store.matches(key) !== roll.place(key) >= 0);
}

/** Put the focus on what is known of the selected task. @param {import("./store.mjs").Store} store */
export function goToInspector(store) {
  const inspector = /** @type {HTMLElement | null} */ (store.el.querySelector(".nbflow-inspector"));
  if (!inspector || inspector.hidden) return;
  if (!inspector.hasAttribute("tabindex")) inspector.tabIndex = -1;
  inspector.focus();
}
