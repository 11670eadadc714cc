// @ts-check
/**
 * A value as its own class shows it. It is the user's, and may be anything, so nothing of it gets into the page: HTML
 * goes into a frame in which no script runs and nothing is loaded, images are images, and all the rest is text.
 *
 * @typedef {{type: string, size: string, mime: string, data: string, text: string, note: string}} Rich
 */
import { make } from "./dom.mjs";

const RULES = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:";
const FRAME_PX = 420;
const STYLE = `
  html {background: transparent}
  body {margin: 0; padding: 2px; background: transparent; color: var(--ink); overflow-wrap: anywhere;
    font: 12px/1.45 system-ui, -apple-system, "Segoe UI", Helvetica, sans-serif}
  table {border-collapse: collapse; border: 0; font-size: 12px; margin: 2px 0}
  th, td {padding: 3px 8px; border: 0; text-align: right; white-space: nowrap}
  thead {border-bottom: 1px solid var(--line)}
  tbody tr:nth-child(odd) {background: color-mix(in srgb, var(--ink) 6%, transparent)}
  a {color: inherit} img, svg {max-width: 100%}`;
const UNWANTED = "script, iframe, frame, frameset, object, embed, applet, link, meta, base, noscript, template, " +
  "audio, video, source, track, portal, dialog";
const ADDRESSES = new Set(["href", "xlink:href", "src", "srcset", "action", "formaction", "poster", "background",
  "data", "ping", "srcdoc", "manifest", "cite", "longdesc", "archive", "codebase", "profile"]);
const HARMLESS = /^(#|data:image\/)/i;

/**
 * @param {import("./store.mjs").Store} store  @param {Rich} value  @param {string} name  @param {AbortSignal} gone
 * @returns {HTMLElement[]}
 */
export function showRich(store, value, name, gone) {
  const shown = [];
  const text = make("pre", "nbflow-pre", value.text, { tabindex: 0 });
  if (value.mime === "text/html") {
    shown.push(htmlFrame(store, value.data, name, gone));
    if (/<script/i.test(value.data)) shown.push(make("p", "nbflow-faint", "Scripts of a value are not executed here."));
  } else if (value.mime.startsWith("image/")) shown.push(pictureOf(value, name));
  else if (value.data) {
    text.textContent = value.data;
    return withNote([text], value.note);
  } else return withNote([text], value.note);
  const plain = make("details", "nbflow-astext", [make("summary", "", "As text"), text]);
  return withNote([...shown, plain], value.note);
}

/** @param {HTMLElement[]} shown @param {string} note */
function withNote(shown, note) {
  return note ? [...shown, make("p", "nbflow-faint", note)] : shown;
}

/** @param {Rich} value @param {string} name */
function pictureOf({ mime, data }, name) {
  const image = make("img", "nbflow-picture");
  image.alt = name;
  // As an image, an SVG runs no script and loads nothing.
  image.src = mime === "image/svg+xml"
    ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(data)}`
    : `data:${mime};base64,${data}`;
  return image;
}

/**
 * @param {import("./store.mjs").Store} store  @param {string} html  @param {string} name  @param {AbortSignal} gone
 */
function htmlFrame(store, html, name, gone) {
  // The same origin, to fill and to measure it; without `allow-scripts` that gives nobody inside any power.
  const rights = { sandbox: "allow-same-origin", referrerpolicy: "no-referrer" };
  const frame = make("iframe", "nbflow-value-frame", "", { ...rights, title: name });
  frame.srcdoc = `<!doctype html><html><head><meta http-equiv="Content-Security-Policy" content="${RULES}">` +
    `<style>${STYLE}</style></head><body></body></html>`;
  const sizes = new ResizeObserver(() => fitFrame(frame));
  const themes = new MutationObserver(() => colourFrame(store.el, frame));
  gone.addEventListener("abort", () => { sizes.disconnect(); themes.disconnect(); });
  frame.addEventListener("load", () => {
    const inner = frame.contentDocument;
    if (!inner?.body || inner.body.childNodes.length) return;
    inner.body.append(...cleaned(html));
    // A link would load its page into the frame, a button would send a form.
    for (const kind of ["click", "auxclick", "submit"]) {
      inner.addEventListener(kind, (event) => {
        const target = /** @type {Element} */ (event.target);
        if (kind === "submit" || target.closest?.("a, area, button, input[type=submit], input[type=image]")) {
          event.preventDefault();
        }
      }, { capture: true });
    }
    colourFrame(store.el, frame);
    sizes.disconnect();
    sizes.observe(inner.body);
    fitFrame(frame);
  }, { signal: gone });
  themes.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"] });
  return frame;
}

/** Parse HTML where nothing of it comes to life, and leave out what could do more than be looked at. @param {string} html */
function cleaned(html) {
  const found = new DOMParser().parseFromString(html, "text/html");
  for (const one of found.querySelectorAll(UNWANTED)) one.remove();
  for (const one of found.querySelectorAll("*")) {
    for (const { name, value } of [...one.attributes]) {
      const isAddress = ADDRESSES.has(name.toLowerCase()) && !HARMLESS.test(value.trim());
      if (/^on/i.test(name) || name === "autofocus" || name === "target" || isAddress) one.removeAttribute(name);
      else if (name === "style") one.setAttribute(name, withoutAddresses(value));
    }
    if (one.localName === "style") one.textContent = withoutAddresses(one.textContent ?? "");
  }
  return [...found.head.childNodes, ...found.body.childNodes];
}

/** @param {string} css */
export function withoutAddresses(css) {
  return css.replace(/@import[^;]*;?/gi, "").replace(/(url|image-set)\(\s*(?!["']?(data:image\/|#))[^)]*\)?/gi, "none");
}

/** @param {HTMLElement} place @param {HTMLIFrameElement} frame */
function colourFrame(place, frame) {
  const root = frame.contentDocument?.documentElement;
  if (!root) return;
  const style = getComputedStyle(place);
  root.style.setProperty("--ink", style.color);
  root.style.setProperty("--line", style.getPropertyValue("--nbflow-line").trim() || "gray");
  // Frames are see-through only while they have the scheme of the page around them.
  root.style.colorScheme = getComputedStyle(frame).colorScheme;
}

/** @param {HTMLIFrameElement} frame */
function fitFrame(frame) {
  const body = frame.contentDocument?.body;
  if (!body) return;
  const isWide = body.scrollWidth > frame.clientWidth;
  frame.style.height = `${Math.min(FRAME_PX, body.scrollHeight + (isWide ? 18 : 2))}px`;
}
