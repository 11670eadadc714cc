// @ts-check
/**
 * What a panel does to the page around it, and what it does when its kernel is gone.
 *
 * While it lives, its copy for saved notebooks is hidden. When the kernel is restarted or ends, nothing more is heard of
 * it: the panel then shows what it last knew, says so, and pretends no longer that anything is running.
 *
 * @typedef {import("./format.mjs").Head} Head
 * @typedef {import("./format.mjs").Patch} Patch
 */
import { whenThere } from "./dom.mjs";
import { elapsed, merge, wordOf } from "./format.mjs";
import { UNFINISHED } from "./state-traits.mjs";

const OPEN = ["opening", "open", "closing"]; // blocks
const OFF = "jupyter-widgets-disconnected"; // ipywidgets puts it on what has lost its kernel, such as the whole panel
const RESTARTED = "The kernel was restarted.";

/**
 * Hide the copy for saved notebooks for as long as this view lives; or this panel, if it has come without a kernel.
 * @param {HTMLElement} el  @param {AbortSignal} signal
 */
export function hideStaticCopy(el, signal) {
  const find = () => el.closest(".jp-OutputArea, .output_area, .output");
  whenThere(el, find, signal, (area) => {
    // A state that was saved with the notebook may be an old one, the copy is not.
    const panel = /** @type {HTMLElement | null} */ (el.closest(".nbflow-panel"));
    if (panel?.classList.contains(OFF) && area.querySelector(".nbflow-static")) {
      panel.hidden = true;
      return;
    }
    area.classList.add("nbflow-live");
    signal.addEventListener("abort", () => {
      const others = [...area.querySelectorAll(".nbflow-body")].some((other) => other !== el);
      if (!others) area.classList.remove("nbflow-live");
    });
  });
}

/**
 * Call once when the kernel of this view is gone, with a sentence that says how.
 * @param {import("./dom.mjs").View} view  @param {(why: string) => void} call
 */
export function whenGone({ model, el, signal }, call) {
  let isGone = false;
  const tell = (/** @type {string} */ why) => {
    if (isGone || signal.aborted) return;
    isGone = true;
    call(why);
  };
  whenThere(el, () => el.closest(".nbflow-panel"), signal, (panel) => {
    const look = (/** @type {string} */ why) => panel.classList.contains(OFF) && tell(why);
    const observer = new MutationObserver(() => look(RESTARTED));
    observer.observe(panel, { attributeFilter: ["class"] });
    signal.addEventListener("abort", () => observer.disconnect());
    look("There is no kernel.");
  });
  // Widgets are told nothing when a kernel is shut down or exchanged. Jupyter's own signals tell it, where there are any.
  const session = model.widget_manager?.context?.sessionContext;
  const changed = (/** @type {any} */ _, /** @type {any} */ change) => change?.oldValue && tell("The kernel is gone.");
  const status = (/** @type {any} */ _, /** @type {string} */ now) => {
    if (now === "restarting" || now === "autorestarting") tell(RESTARTED);
    if (now === "dead") tell("The kernel has died.");
  };
  session?.kernelChanged?.connect?.(changed);
  session?.statusChanged?.connect?.(status);
  signal.addEventListener("abort", () => {
    session?.kernelChanged?.disconnect?.(changed);
    session?.statusChanged?.disconnect?.(status);
  });
}

/**
 * What the body of a panel does then: it freezes.
 * @param {import("./store.mjs").Store} store  @param {import("./dom.mjs").View} view
 */
export function watchKernel(store, view) {
  whenGone(view, () => {
    store.isGone = true;
    const last = lastKnown(store.snapshot, store.rows, performance.now());
    merge(store.snapshot, last);
    store.patch(last);
    whenThere(store.el, () => store.el.closest(".nbflow-panel"), store.signal, (panel) => {
      panel.classList.add("nbflow-gone");
      for (const one of panel.querySelectorAll(".nbflow-controls :is(button, input, select), .nbflow-entries :is(button, input, select, textarea)")) {
        /** @type {HTMLButtonElement} */ (one).disabled = true;
      }
    });
  });
}

/**
 * The patch after which nothing is said to go on.
 * @param {Patch} snapshot  @param {Map<string, import("./store.mjs").Told>} rows  @param {number} now  in milliseconds
 * @returns {Patch}
 */
export function lastKnown({ head, nodes, clusters, spans, bars }, rows, now) {
  const marks = (/** @type {Record<string, import("./format.mjs").Mark>} */ all) => Object.fromEntries(
    Object.entries(all).filter(([, [name]]) => UNFINISHED.has(name) || OPEN.includes(name)).map(([key, [name, line]]) =>
      [key, /** @type {import("./format.mjs").Mark} */ ([name, was(line)])]));
  const unfinished = [...rows].filter(([, { data }]) => data.going || UNFINISHED.has(data.state));
  const last = Math.max(0, ...[...rows.values()].map(({ data, toldAt }) =>
    (data.start ?? 0) + (elapsed(data.seconds, data.going, toldAt, now) ?? 0)));
  return /** @type {Patch} */ ({
    head: lastHead(head, head.seconds === null ? null : Math.max(head.seconds, last)),
    nodes: marks(nodes),
    clusters: marks(clusters),
    rows: Object.fromEntries(unfinished.map(([key, { data, toldAt }]) => {
      const seconds = elapsed(data.seconds, data.going, toldAt, now);
      return [key, /** @type {import("./format.mjs").WireRow} */ ([data.state, was(data.line), data.start, seconds, 0, data.note])];
    })),
    spans: Object.fromEntries(Object.entries(spans).filter(([, span]) => span[2] === null)
      .map(([id, [box, start, , status, line, count]]) =>
        [id, [box, start, Math.max(start, last, head.seconds ?? 0), status, was(line), count]])),
    bars: Object.fromEntries(Object.entries(bars).filter(([, bar]) => bar[3] === null)
      .map(([id, [key, index, start, , state, line, worker]]) =>
        [id, [key, index, start, Math.max(start, last, head.seconds ?? 0), state, was(line), worker]])),
  });
}

/** @param {Head} head @param {number | null} seconds @returns {Head} */
export function lastHead(head, seconds) {
  if (!head.going) return head;
  const counts = head.counts.map(([name, word, n]) => [name, UNFINISHED.has(name) ? `was ${word}` : word, n]);
  return { ...head, going: false, seconds, line: was(head.line), counts: /** @type {Head["counts"]} */ (counts), open: [] };
}

/** The bar above a panel whose kernel is gone. @param {Head} head @param {string} why */
export function goneText(head, why) {
  const names = head.open.map(([, name]) => name);
  const open = names.length ? ` Open at that moment: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}.` : "";
  const how = head.going ? "this panel shows what it last knew, nothing in it goes on." : "this panel shows its last picture.";
  return `${why.replace(/\.$/, "")}: ${how}${open} Execute the cell again for a live panel.`;
}

/** `◐ Running` becomes `◐ was running`. @param {string} line */
function was(line) {
  const word = wordOf(line);
  const icon = line.slice(0, line.length - word.length);
  if (/^was /.test(word)) return line;
  return /^\d/.test(word) ? `${icon}was at ${word}` : `${icon}was ${word.charAt(0).toLowerCase()}${word.slice(1)}`;
}
