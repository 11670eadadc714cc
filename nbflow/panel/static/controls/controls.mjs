// @ts-check
/** What the buttons and the form of a panel, which are ipywidgets, lack for keyboards and screen readers. */

import { uniqueId } from "../common/dom.mjs";

// What these do depends on the fields.
const ASKING = ["run", "step", "step_block", "rerun"];

/**
 * A button is disabled while its command is carried out, and so loses the focus, with which the next key would go
 * to Jupyter: the bar holds it meanwhile, and gives it back, that the next step is one more press of the same key.
 * And let nobody read out the icons.
 * @param {Element} found  @param {AbortSignal} signal
 */
export function tendButtons(found, signal) {
  const controls = /** @type {HTMLElement} */ (found);
  /** @type {Element | null} */
  let pressed = null;
  controls.tabIndex = -1;
  const tend = () => {
    hideIcons(controls);
    tellState(controls.querySelector(".nbflow-command-hold"), "aria-pressed");
    const { activeElement } = document;
    const isFree = !activeElement || [document.body, controls, pressed].includes(activeElement);
    if (!isFree || !pressed) return;
    const button = /** @type {HTMLButtonElement} */ (pressed);
    const holder = button.disabled || !button.checkVisibility() ? controls : button;
    if (holder !== activeElement) holder.focus({ preventScroll: true });
  };
  controls.addEventListener("focusin", (event) => {
    if (event.target !== controls) pressed = /** @type {Element} */ (event.target).closest("button");
  }, { signal });
  // Who has gone elsewhere, by key or by mouse, stays there.
  document.addEventListener("focusin", (event) => {
    if (!controls.contains(/** @type {Node} */ (event.target))) pressed = null;
  }, { signal });
  document.addEventListener("pointerdown", () => { pressed = null; }, { signal, capture: true });
  const observer = new MutationObserver(tend);
  observer.observe(controls, { subtree: true, childList: true, attributeFilter: ["disabled", "class"] });
  signal.addEventListener("abort", () => observer.disconnect());
  tend();
}

/**
 * Let a button that takes something from the fields bring along what has been edited.
 * @param {Element} controls  @param {AbortSignal} signal
 * @param {ReturnType<typeof import("../common/edits.mjs").watchEdits>} edits
 * @param {(command: string, fields: Record<string, object>) => void} press
 */
export function bringEdits(controls, signal, edits, press) {
  controls.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const command = ASKING.find((one) => target.closest(`.nbflow-command-${one}`));
    if (!command || !edits.areAny) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    edits.take().then((fields) => press(command, fields));
  }, { signal, capture: true });
}

/**
 * Name what ipywidgets leaves without a name, and tie what is said about a field to its input.
 * @param {Element} form  @param {AbortSignal} signal
 */
export function tendForm(form, signal) {
  const tend = () => {
    hideIcons(form);
    tellState(form.querySelector(".nbflow-entries-toggle"), "aria-expanded");
    for (const field of form.querySelectorAll(".nbflow-entry")) tendField(field);
  };
  const observer = new MutationObserver(tend);
  observer.observe(form, { subtree: true, childList: true, attributeFilter: ["class"] });
  signal.addEventListener("abort", () => observer.disconnect());
  tend();
}

/** @param {Element} field */
function tendField(field) {
  const name = field.querySelector(".widget-label")?.textContent ?? "";
  for (const part of field.querySelectorAll(".noUi-handle, .widget-readout")) {
    if (part.getAttribute("aria-label") !== name) part.setAttribute("aria-label", name);
    if (part.classList.contains("widget-readout")) setOnce(part, "role", "textbox");
  }
  const note = field.querySelector(".nbflow-entry-note");
  if (!note) return;
  if (!note.id) note.id = uniqueId("note");
  setOnce(note, "role", "status");
  const isWrong = String(field.classList.contains("nbflow-wrong"));
  for (const input of field.querySelectorAll("input, textarea, select, .noUi-handle")) {
    setOnce(input, "aria-describedby", note.id);
    setOnce(input, "aria-invalid", isWrong);
  }
}

/** @param {Element} part */
function hideIcons(part) {
  for (const icon of part.querySelectorAll("i:not([aria-hidden])")) icon.setAttribute("aria-hidden", "true");
}

/**
 * Say what only a class of ipywidgets says: whether a button is pressed in.
 * @param {Element | null} button  @param {string} name
 */
function tellState(button, name) {
  if (button) setOnce(button, name, String(button.classList.contains("mod-active")));
}

/** @param {Element} element @param {string} name @param {string} value */
function setOnce(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
