// @ts-check
/** The list of the keys, as a dialog that is opened by a button or by `?`. */
import { make } from "./dom.mjs";
import { KEYS } from "./keys.mjs";

let helps = 0;

/**
 * The browser keeps the focus in the dialog, closes it by Escape, and gives the focus back.
 * @param {AbortSignal} signal
 */
export function makeHelp(signal) {
  const dialog = /** @type {HTMLDialogElement} */ (make("dialog", "nbflow-help"));
  const title = make("h2", "nbflow-help-title", "Keys of the panel");
  title.id = `nbflow-help-${++helps}-${Math.random().toString(36).slice(2, 8)}`;
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.setAttribute("aria-modal", "true");
  const close = make("button", "nbflow-button nbflow-close", "Close");
  close.setAttribute("type", "button");
  close.addEventListener("click", () => dialog.close());
  const top = make("div", "nbflow-help-top");
  top.append(title, close);
  const groups = make("div", "nbflow-help-groups");
  groups.append(...[...new Set(KEYS.map(({ group }) => group))].map(listGroup));
  const note = make("p", "nbflow-help-note", "These keys work while the focus is in the panel, but not in a text field.");
  dialog.append(top, groups, note);

  const button = make("button", "nbflow-help-button", "?");
  button.setAttribute("type", "button");
  button.setAttribute("aria-label", "keys of the panel");
  button.setAttribute("aria-haspopup", "dialog");
  button.title = "Keys of the panel (?)";
  const open = () => {
    if (!dialog.open) dialog.showModal();
  };
  button.addEventListener("click", open);
  // A click beside it: only the backdrop is the dialog itself.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "?") return;
    event.preventDefault(); // closed once, here: Escape may mean something to the page as well
    event.stopPropagation();
    dialog.close();
  });
  signal.addEventListener("abort", () => dialog.close());
  return { button, dialog, open };
}

/** @param {string} group */
function listGroup(group) {
  const section = make("section", "nbflow-help-group");
  const list = make("dl");
  for (const { keys, text } of KEYS.filter((one) => one.group === group)) {
    const term = make("dt");
    term.append(...keys.map((key) => make("kbd", "", key)));
    const row = make("div");
    row.append(term, make("dd", "", text));
    list.append(row);
  }
  section.append(make("h3", "", group), list);
  return section;
}
