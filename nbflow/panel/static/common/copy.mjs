// @ts-check
/** A button that puts a text into the clipboard. */
import { makeButton } from "./dom.mjs";

const SHOWN_MS = 1500;

/** @param {import("./store.mjs").Store} store @param {string} label @param {() => string} text */
export function copyButton(store, label, text) {
  const button = makeButton("Copy", "nbflow-push nbflow-copy", async () => {
    const isDone = await copyText(store.el, text());
    button.textContent = isDone ? "Copied" : "Not possible";
    store.tell("announce", isDone ? "Copied." : "Copying is not possible here.");
    setTimeout(() => { button.textContent = "Copy"; }, SHOWN_MS);
  }, { "aria-label": label });
  return button;
}

/** Put a text into the clipboard; tells whether that was possible. @param {HTMLElement} place @param {string} text */
export async function copyText(place, text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that came over plain http from another machine have no clipboard.
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    place.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    focused?.focus({ preventScroll: true });
    return isDone;
  }
}
