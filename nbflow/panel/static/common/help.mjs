// @ts-check
/** The list of the keys, as a dialog that is opened by a button or by `?`. */
import { make, makeButton, uniqueId } from "./dom.mjs";
import { KEYS } from "./keys.mjs";

/**
 * The browser keeps the focus in the dialog, closes it by Escape, and gives the focus back.
 * @param {AbortSignal} signal
 */
export function makeHelp(signal) {
  const id = uniqueId("help");
  const title = make("h2", "nbflow-help-title", "Keys of the panel", { id });
  const close = makeButton("Close", "nbflow-button nbflow-close", () => dialog.close());
  const top = make("div", "nbflow-help-top", [title, close]);
  const groups = make("div", "nbflow-help-groups", [...new Set(KEYS.map(({ group }) => group))].map(listGroup));
  const note = make("p", "nbflow-help-note", "These keys work while the focus is in the panel, but not in a text field.");
  const dialog = make("dialog", "nbflow-help", [top, groups, note], { "aria-labelledby": id, "aria-modal": "true" });

  const open = () => {
    if (!dialog.open) dialog.showModal();
  };
  const button = makeButton("?", "nbflow-help-button", open, {
    "aria-label": "keys of the panel", "aria-haspopup": "dialog", title: "Keys of the panel (?)",
  });
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
  const rows = KEYS.filter((one) => one.group === group).map(({ keys, text }) =>
    make("div", "", [make("dt", "", keys.map((key) => make("kbd", "", key))), make("dd", "", text)]));
  return make("section", "nbflow-help-group", [make("h3", "", group), make("dl", "", rows)]);
}
