// @ts-check
/**
 * Small helpers around elements, and around listening for as long as a view lives.
 *
 * @typedef {{get(name: string): any, set(name: string, value: any): void, save_changes(): void,
 *   send(message: any): void, on(name: string, call: (...args: any[]) => void): void,
 *   off(name: string, call?: (...args: any[]) => void): void, widget_manager?: any}} Model
 * @typedef {{model: Model, el: HTMLElement, signal: AbortSignal,
 *   host: {getModel(ref: string): Promise<Model>}}} View
 */

const TICK_MS = 1000;
const ATTACH_TRIES = 120;

let idsMade = 0;

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag  @param {string} [classes]  @param {string | (Node | string)[]} [content]  its text, or what is in it
 * @param {Record<string, string | number>} [attributes]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, classes = "", content = "", attributes = {}) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (content.length) element.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/**
 * A button of the script's own.
 * @param {string} text  @param {string} classes  @param {() => void} press
 * @param {Record<string, string | number>} [attributes]
 */
export function makeButton(text, classes, press, attributes = {}) {
  const button = make("button", classes, text, { type: "button", ...attributes });
  button.addEventListener("click", press);
  return button;
}

/** A button that looks like one. @param {string} text @param {string} classes @param {() => void} press */
export function pushButton(text, classes, press) {
  return makeButton(text, `nbflow-push ${classes}`, press);
}

/** An id that no other element has, nor one of another script in the page. @param {string} what */
export function uniqueId(what) {
  return `nbflow-${what}-${++idsMade}-${Math.random().toString(36).slice(2, 8)}`;
}

/** A line drawing in a square of 16. @param {string} path @returns {SVGSVGElement} */
export function drawIcon(path) {
  const svg = makeShape("svg", { class: "nbflow-icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  svg.append(makeShape("path", { d: path }));
  return /** @type {SVGSVGElement} */ (svg);
}

/** @param {string} tag @param {Record<string, string | number>} [attributes] */
export function makeShape(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Listen for as long as the view lives.
 * @param {Model} model  @param {AbortSignal} signal  @param {string} name  @param {(...args: any[]) => void} call
 */
export function listen(model, signal, name, call) {
  model.on(name, call);
  signal.addEventListener("abort", () => model.off(name, call));
}

/** @param {AbortSignal} signal @param {() => void} call */
export function everySecond(signal, call) {
  const timer = setInterval(call, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/**
 * Look for an element around a view once a frame, for a while: it is not in the page yet when it renders. And again
 * whenever it gets a size: a cell that is scrolled out of view may come into the page much later.
 * @param {HTMLElement} el  the view's  @param {() => Element | null | undefined} find  @param {AbortSignal} signal
 * @param {(found: Element) => void} call
 */
export function whenThere(el, find, signal, call) {
  let tries = 0;
  const attempt = () => {
    if (signal.aborted) return;
    const found = find();
    if (found) {
      watch.disconnect();
      call(found);
    } else if (++tries < ATTACH_TRIES) requestAnimationFrame(attempt);
  };
  const watch = new ResizeObserver(() => {
    if (tries < ATTACH_TRIES) return;
    tries = 0;
    attempt();
  });
  watch.observe(el);
  signal.addEventListener("abort", () => watch.disconnect());
  attempt();
}
