// @ts-check
/**
 * Everything by keyboard. One table says what each key does; the help is made from it.
 *
 * Jupyter has keys of its own for whatever has the focus in a cell, such as x, which cuts the cell. It leaves alone
 * an element with the attribute SUPPRESS (itself: one around it does not help), so what has the focus gets it for as
 * long as a key that is not Jupyter's is on its way.
 *
 * @typedef {{group: string, keys: string[], text: string, command?: string, view?: string,
 *   act?: "find" | "help" | "close"}} Key  one without `command`, `view` and `act` belongs to a view, which hears it
 * @typedef {{list: HTMLElement, show: (name: string) => void}} Tabs
 * @typedef {{key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} Press
 */
const SUPPRESS = "data-lm-suppress-shortcuts";

/** @type {Key[]} */
export const KEYS = [
  { group: "Run", keys: ["R"], text: "Run the flow", command: "run" },
  { group: "Run", keys: ["S"], text: "Step: one task", command: "step" },
  { group: "Run", keys: ["B"], text: "Step through a block", command: "step_block" },
  { group: "Run", keys: ["G"], text: "Go on to the end", command: "resume" },
  { group: "Run", keys: ["P"], text: "Pause", command: "pause" },
  { group: "Run", keys: ["Shift+C"], text: "Cancel and clean up", command: "cancel" },
  { group: "Failures", keys: ["T"], text: "Retry the failed task", command: "retry" },
  { group: "Failures", keys: ["K"], text: "Skip the task", command: "skip" },
  { group: "Failures", keys: ["U"], text: "Undo the last skip or value", command: "undo" },
  { group: "Failures", keys: ["H"], text: "Hold on failure, or not", command: "hold" },
  { group: "Failures", keys: ["Shift+R"], text: "Rerun, its plan first", command: "rerun" },
  { group: "Find", keys: ["/"], text: "Search", act: "find" },
  { group: "Find", keys: ["1"], text: "Graph", view: "graph" },
  { group: "Find", keys: ["2"], text: "Timeline", view: "timeline" },
  { group: "Find", keys: ["3"], text: "Runs", view: "runs" },
  { group: "Find", keys: ["4"], text: "Logs", view: "logs" },
  { group: "Find", keys: ["5"], text: "Failures, if any", view: "failures" },
  { group: "Find", keys: ["?"], text: "This help", act: "help" },
  { group: "Find", keys: ["Esc"], text: "Close what is open; then back to the cell", act: "close" },
  { group: "In the graph and the timeline", keys: ["↑", "↓", "←", "→"], text: "Move along" },
  { group: "In the graph and the timeline", keys: ["Shift", "an arrow"], text: "Shift the picture" },
  { group: "In the graph and the timeline", keys: ["Enter"], text: "Inspect" },
  { group: "In the graph and the timeline", keys: ["Space"], text: "Fold, unfold" },
  { group: "In the graph and the timeline", keys: ["+", "−", "0"], text: "Larger, smaller, as it was" },
  { group: "In the graph and the timeline", keys: ["F"], text: "Fit all into view" },
];

/** The name of a key as the table has it: `R`, `Shift+C`, `?`, `Esc`. @param {Press} press */
export function nameOfKey({ key, shiftKey }) {
  if (key === "Escape") return "Esc";
  return /^[a-z]$/i.test(key) ? `${shiftKey ? "Shift+" : ""}${key.toUpperCase()}` : key;
}

/** What a key does here, if anything. @param {Press} press @returns {Key | undefined} */
export function findKey(press) {
  if (press.ctrlKey || press.metaKey || press.altKey) return undefined;
  const name = nameOfKey(press);
  return KEYS.find((one) => (one.command || one.view || one.act) && one.keys.includes(name));
}

/** Whether a key is left to Jupyter, such as Control+S, and Shift+Enter, which runs the cell. @param {Press} press */
export function isForJupyter({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  return ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");
}

/**
 * @param {import("./store.mjs").Store} store  @param {Tabs} tabs  @param {{open: () => void}} help
 */
export function listenToKeys(store, tabs, help) {
  const { el, signal } = store;
  const panelOf = (/** @type {Event} */ event) => {
    const panel = el.closest(".nbflow-panel");
    return panel?.contains(/** @type {Node} */ (event.target)) ? panel : null;
  };
  window.addEventListener("keydown", (event) => {
    const panel = panelOf(event);
    if (!panel) return;
    const isFree = event.key === "Escape" && !topmost(panel) && !isTyping(event.target);
    if (isForJupyter(event) || isFree) return;
    const target = /** @type {Element} */ (event.target);
    target.setAttribute(SUPPRESS, "");
    setTimeout(() => target.removeAttribute(SUPPRESS));
  }, { signal, capture: true });
  window.addEventListener("keydown", (event) => {
    const panel = panelOf(event);
    if (!panel || event.defaultPrevented || event.repeat || isTyping(event.target)) return;
    const found = findKey(event);
    if (!found || (isInDialog(event.target) && found.act !== "close")) return;
    if (carryOut(panel, found)) event.preventDefault();
  }, { signal });

  /** @param {Element} panel @param {Key} found @returns {boolean} whether there was anything to do */
  const carryOut = (panel, { command, view, act, text }) => {
    if (command) press(panel.querySelector(`.nbflow-command-${command}`), text);
    else if (view) {
      tabs.show(view);
      /** @type {HTMLElement | null} */ (tabs.list.querySelector(`[data-view="${view}"]`))?.focus();
    } else if (act === "find") {
      /** @type {HTMLElement | null} */ (panel.querySelector(".nbflow-filter input"))?.focus();
    } else if (act === "help") help.open();
    else return closeTopmost(panel);
    return true;
  };
  /** @param {Element | null} found @param {string} text */
  const press = (found, text) => {
    const button = /** @type {HTMLButtonElement | null} */ (found);
    if (!button || button.disabled || !button.checkVisibility()) store.tell("announce", `${text}: not possible now`);
    else button.click();
  };
  /** @param {Element} panel */
  const closeTopmost = (panel) => {
    const open = topmost(panel);
    if (!open) return false;
    const button = /** @type {HTMLElement | null} */ (open.querySelector(".nbflow-close"));
    if (button) button.click();
    else if (open.classList.contains("nbflow-inspector")) store.select("");
    return true;
  };
}

/** What Escape closes: a plan before the inspector. @param {Element} panel */
function topmost(panel) {
  const open = [...panel.querySelectorAll(".nbflow-plan, .nbflow-inspector")].filter((one) => one.checkVisibility());
  return open.find((one) => one.classList.contains("nbflow-plan")) ?? open[0];
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  const typing = 'input:not([type="checkbox"], [type="radio"], [type="button"], [type="range"]), textarea, select';
  const element = /** @type {HTMLElement} */ (target);
  return element.matches(typing) || element.isContentEditable;
}

/** @param {EventTarget | null} target */
function isInDialog(target) {
  return Boolean(/** @type {Element} */ (target).closest('dialog, [aria-modal="true"]'));
}
