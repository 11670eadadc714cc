// @ts-check
/** An overview of a drawing that is larger than its view: small coloured boxes, and a frame to drag. */
import { make } from "../common/dom.mjs";

const WIDEST = 150;
const HIGHEST = 110;

/**
 * @param {AbortSignal} signal  @param {() => import("./svg-index.mjs").Places | null} read
 * @param {import("./viewport.mjs").Viewport} viewport
 */
export function makeMinimap(signal, read, viewport) {
  const canvas = make("canvas");
  const frame = make("div", "nbflow-frame");
  // Nobody hears of it: all it does, arrows do.
  const element = make("div", "nbflow-minimap", [canvas, frame], { "aria-hidden": "true", hidden: "" });
  let isAsked = false;
  let k = 1;
  let bounds = [0, 0];

  const draw = () => {
    isAsked = false;
    const places = read();
    if (!places || element.hidden || signal.aborted) return;
    const { width, height } = places.paper;
    k = Math.min(WIDEST / width, HIGHEST / height);
    const sharp = window.devicePixelRatio || 1;
    canvas.width = Math.max(Math.round(width * k * sharp), 1);
    canvas.height = Math.max(Math.round(height * k * sharp), 1);
    bounds = [width * k, height * k];
    canvas.style.width = `${bounds[0]}px`;
    canvas.style.height = `${bounds[1]}px`;
    const pen = canvas.getContext("2d");
    pen?.scale(k * sharp, k * sharp);
    if (pen) paintPlaces(pen, places, 1 / k);
    place();
  };
  /** Put the frame around what is in view. */
  const place = () => {
    const { camera, size } = viewport;
    const isNeeded = size.width > 0 && !viewport.showsAll;
    if (element.hidden === isNeeded) {
      element.hidden = !isNeeded;
      if (isNeeded) ask();
    }
    const [left, right] = [camera.x, camera.x + size.width / camera.k].map((x) => Math.min(Math.max(x * k, 0), bounds[0]));
    const [top, bottom] = [camera.y, camera.y + size.height / camera.k].map((y) => Math.min(Math.max(y * k, 0), bounds[1]));
    frame.style.transform = `translate(${left}px, ${top}px)`;
    frame.style.width = `${right - left}px`;
    frame.style.height = `${bottom - top}px`;
  };
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(draw);
  };
  const drag = (/** @type {PointerEvent} */ event) => {
    if (!event.buttons) return;
    element.setPointerCapture(event.pointerId);
    const corner = canvas.getBoundingClientRect();
    viewport.centre((event.clientX - corner.x) / k, (event.clientY - corner.y) / k);
  };
  element.addEventListener("pointerdown", drag, { signal });
  element.addEventListener("pointermove", drag, { signal });
  // The colours are the theme's.
  const observer = new MutationObserver(ask);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  signal.addEventListener("abort", () => observer.disconnect());
  return { element, ask, place };
}

/** @param {CanvasRenderingContext2D} pen @param {import("./svg-index.mjs").Places} places @param {number} pixel */
function paintPlaces(pen, places, pixel) {
  /** Few states, many places: what the style sheet says is asked once each. @type {Map<string, string[]>} */
  const colours = new Map();
  for (const { element, box, isBox } of places.all.values()) {
    const look = element.getAttribute("class")?.match(/nbflow-(?:state|block)-\S+/)?.[0] ?? "";
    let colour = colours.get(look);
    if (!colour) {
      const style = getComputedStyle(element);
      colour = ["--nbflow-fill", "--nbflow-stroke"].map((name) => style.getPropertyValue(name) || "gray");
      colours.set(look, colour);
    }
    [pen.fillStyle, pen.strokeStyle] = colour;
    pen.lineWidth = pixel;
    pen.fillRect(box.x, box.y, box.width, box.height);
    if (isBox || box.height > 5 * pixel) pen.strokeRect(box.x, box.y, box.width, box.height);
    else pen.fillStyle = colour[1];
    if (!isBox && box.height <= 5 * pixel) pen.fillRect(box.x, box.y, box.width, box.height);
  }
}
