// @ts-check
/**
 * What the user has edited in fields that are ipywidgets, to be sent along with what is asked of the kernel.
 *
 * Each ipywidget sends its changes on its own: the first one at once, the next when the kernel, which may be busy, has
 * taken that; and a kernel may take the messages of two widgets on two threads. A run could start with other values
 * than the form shows.
 */
const FIELD = /(?:^| )nbflow-field-([\w-]+)/;
const EDITS = ["input", "change"];
// A slider and a button that stays pressed tell of no edit.
const HANDLED = ["pointerdown", "keydown", "click"];
const HANDLES = ".noUi-target, button";
const STATES = ["value", "index"]; // of a menu it is the index

/**
 * @param {{model: import("./dom.mjs").Model, el: Element, signal: AbortSignal}} view
 * @param {EventTarget} [page]
 */
export function watchEdits({ model, el, signal }, page = document) {
  /** @type {Set<string>} */
  const edited = new Set();
  const note = (/** @type {Event} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const field = target.closest?.("[class*=nbflow-field-]");
    if (!field || field.closest(".nbflow-panel") !== el.closest(".nbflow-panel")) return;
    if (HANDLED.includes(event.type) && !target.closest(HANDLES)) return;
    edited.add(FIELD.exec(field.className)?.[1] ?? "");
  };
  for (const type of [...EDITS, ...HANDLED]) {
    page.addEventListener(type, note, { signal, capture: true, passive: true });
  }
  return {
    get areAny() { return edited.size > 0 && Boolean(model.widget_manager?.get_model); },
    /** The states of what was edited since the last time, by model. @returns {Promise<Record<string, object>>} */
    async take() {
      const ids = [...edited];
      edited.clear();
      const found = await Promise.allSettled(ids.map((id) => model.widget_manager.get_model(id)));
      /** @type {Record<string, object>} */
      const states = {};
      found.forEach((one, i) => {
        // Else it has been closed, or is none of ipywidgets' own models: its messages have to do.
        if (one.status === "fulfilled" && one.value?.serialize) states[ids[i]] = stateOf(one.value);
      });
      return states;
    },
  };
}

/** @param {any} field  a model of ipywidgets */
function stateOf(field) {
  const known = STATES.filter((name) => field.get(name) !== undefined);
  return field.serialize(Object.fromEntries(known.map((name) => [name, field.get(name)])));
}
