// @ts-check
/**
 * The graph: drawn once, an SVG that nbflow rendered; afterwards only classes and texts change.
 *
 * By the ARIA practices it is an application with one active descendant, the selected node: arrows go along the
 * drawing, which no list or tree does justice to.
 *
 * @typedef {import("../common/format.mjs").Mark} Mark
 * @typedef {import("../common/format.mjs").Patch} Patch
 * @typedef {import("./svg-index.mjs").Place} Place
 */
import { anchored, around } from "./camera.mjs";
import { make, say } from "../common/dom.mjs";
import { drawFoldMarks } from "./fold-marks.mjs";
import { listenToGraphKeys } from "./graph-keys.mjs";
import { makeGraphNote } from "./graph-note.mjs";
import { makeGraphTools } from "./graph-tools.mjs";
import { makeMinimap } from "./minimap.mjs";
import { goToInspector } from "../common/row-selection.mjs";
import { foldAt, readPlaces, selectionOf, shownAs } from "./svg-index.mjs";
import { makeSpotlight } from "./spotlight.mjs";
import { withClass } from "../common/format.mjs";
import { makeViewport } from "./viewport.mjs";

// Above this, changing colours come at once: to fade hundreds of shapes takes longer than a frame.
const FADED = 100;
// Drawn smaller than this, a name is set in larger letters where there is room for them.
const FAR = 0.85;
const LARGE_CHAR = 9;

/** @param {import("../common/store.mjs").Store} store */
export function makeGraph(store) {
  const sheet = make("div", "nbflow-graph", "", { tabindex: 0, role: "application", "aria-roledescription": "graph" });
  /** @type {import("./svg-index.mjs").Places | null} */
  let places = null;
  let drawn = "";
  /** What was folded or unfolded here: it stays in its place. @type {{key: string, box: import("./camera.mjs").Box} | null} */
  let toggled = null;
  let isFront = true;

  const viewport = makeViewport(sheet, store.signal, ({ k }) => {
    tools.paintScale(k);
    sheet.classList.toggle("nbflow-far", k < FAR && (places?.all.size ?? 0) <= FADED);
    minimap.place();
  });
  const tools = makeGraphTools(viewport, (folded) => {
    ask("fold_all", { folded });
    viewport.forget();
  });
  const note = makeGraphNote(store.signal);
  const minimap = makeMinimap(store.signal, () => places, viewport);
  const light = makeSpotlight(store, sheet);
  const element = make("div", "nbflow-graph-view", [sheet, tools.element, minimap.element, note.element]);

  const ask = (/** @type {string} */ kind, /** @type {Record<string, any>} */ fields) => {
    store.tell("problem", { text: "" });
    if (store.send(kind, fields)) note.wait();
  };
  const draw = () => {
    const { svg, problem, folds } = store.drawing;
    if (store.drawing.pending) note.wait();
    else note.done();
    tools.element.hidden = !svg && !drawn;
    tools.offer(folds);
    if (store.drawing.pending && !svg) return; // the former picture stays
    if (!svg || svg !== drawn) {
      drawn = svg;
      if (svg) sheet.innerHTML = svg; // nbflow rendered it, every text in it is escaped
      else sheet.replaceChildren(make("pre", "nbflow-missing", problem));
      show(/** @type {SVGSVGElement | null} */ (sheet.querySelector(":scope > svg")));
    }
    if (places) drawFoldMarks(places, folds);
    light.select();
    light.dim();
  };
  const show = (/** @type {SVGSVGElement | null} */ svg) => {
    places = svg ? readPlaces(svg) : null;
    sheet.setAttribute("aria-label", svg?.getAttribute("aria-label") ?? "graph of the flow");
    light.look(places);
    minimap.ask();
    if (!svg || !places) return viewport.show(null);
    tend(svg, places);
    sheet.classList.toggle("nbflow-many", places.all.size > FADED);
    const now = toggled && placeOfFold(toggled.key);
    const [before, after] = [toggled?.box, now?.box];
    toggled = null;
    viewport.show(svg, places.paper, before && after ? (camera) => anchored(camera, before, after) : undefined, topOf(places));
  };
  const placeOfFold = (/** @type {string} */ fold) => {
    const all = [...(places?.all.values() ?? [])];
    return all.find(({ key }) => key === fold) ?? all.find(({ key }) => foldAt(key, { [fold]: true }) === fold);
  };
  const toggleFold = (/** @type {string} */ fold) => {
    const { folds } = store.drawing;
    if (!Object.hasOwn(folds, fold)) return;
    const place = placeOfFold(fold);
    toggled = place ? { key: fold, box: place.box } : null;
    ask("fold", { key: fold, folded: !folds[fold] });
  };
  const choose = (/** @type {string} */ key) => {
    const { key: row, index } = selectionOf(key, store.names);
    store.select(row, index);
  };
  const chosen = () => light.current()?.key ?? "";
  const paint = (/** @type {Patch} */ patch) => {
    for (const [key, mark] of Object.entries(patch.nodes)) paintPlace(places?.all.get(key), "nbflow-state-", mark);
    for (const [key, mark] of Object.entries(patch.clusters)) paintPlace(places?.all.get(key), "nbflow-block-", mark);
    light.say();
    if (store.filter.states.size) light.dim();
    if (isFront) minimap.ask();
  };
  const reveal = () => {
    light.select();
    const place = light.current();
    if (!place) return;
    const { x, y, width, height } = place.box;
    viewport.reveal(place.isBox ? { x, y, width: Math.min(width, 200), height: Math.min(height, 60) } : place.box);
  };

  sheet.addEventListener("click", ({ target }) => {
    const fold = foldOf(target);
    if (fold) toggleFold(fold);
    else choose(keyOf(target));
  }, { signal: store.signal });
  sheet.addEventListener("dblclick", ({ target }) => {
    const place = places?.all.get(keyOf(target));
    if (place && !foldOf(target)) viewport.fitTo(place.isBox ? place.box : around([place, ...light.near()].map(({ box }) => box)));
  }, { signal: store.signal });
  listenToGraphKeys(sheet, store.signal, {
    ways: () => places ?? { all: new Map(), links: [] },
    current: chosen,
    choose,
    open: () => goToInspector(store),
    fold: () => toggleFold(foldAt(chosen(), store.drawing.folds)),
    leave: () => store.select(""),
    viewport,
  });
  store.on("view", (name) => {
    isFront = name === "graph";
    if (isFront) minimap.ask();
  });
  store.on("drawing", draw);
  store.on("patch", paint);
  store.on("select", reveal);
  store.on("filter", light.dim);
  store.on("problem", note.done);
  store.on("focus", ({ key, index }) => store.select(key, index ?? null));
  return element;
}

/** Where the drawing begins, from left to right: at what stands highest. @param {import("./svg-index.mjs").Places} places */
function topOf({ all }) {
  const boxes = [...all.values()].filter(({ isBox }) => !isBox).map(({ box }) => box);
  const highest = boxes.reduce((top, box) => (box.y < top.y ? box : top), boxes[0]);
  return highest ? highest.x + highest.width / 2 : 0;
}

/**
 * Make the drawing part of the sheet: as large as it is, to be moved and scaled, and every node and box named.
 * @param {SVGSVGElement} svg  @param {import("./svg-index.mjs").Places} places
 */
function tend(svg, { all, links }) {
  for (const name of ["style", "aria-label"]) svg.removeAttribute(name);
  svg.setAttribute("role", "presentation");
  for (const { element, box, isBox } of all.values()) {
    element.setAttribute("role", "img"); // its title is its name
    const { length } = element.querySelector(".nbflow-name")?.textContent ?? ""; // of a box with its state
    element.toggleAttribute("data-roomy", length * LARGE_CHAR < box.width - (isBox ? 40 : 8));
  }
  for (const { element } of links) element.setAttribute("aria-hidden", "true");
}

/** The node at a point, or the box whose title or rim it is. @param {EventTarget | null} target */
function keyOf(target) {
  const group = /** @type {Element | null} */ (target)?.closest?.("g[data-key]");
  const key = /** @type {SVGElement | undefined} */ (group)?.dataset.key ?? "";
  return key.startsWith("cell--") ? "" : key;
}

/** @param {EventTarget | null} target */
function foldOf(target) {
  const mark = /** @type {Element | null} */ (target)?.closest?.(".nbflow-fold");
  return /** @type {SVGElement | undefined} */ (mark)?.dataset.fold ?? "";
}

/** @param {Place | undefined} place @param {string} start @param {Mark} mark */
function paintPlace(place, start, [name, text]) {
  if (!place) return;
  const { element, line, title } = place;
  const classes = withClass(element.getAttribute("class") ?? "", start, name);
  if (element.getAttribute("class") !== classes) element.setAttribute("class", classes);
  if (line) say(line, text);
  if (title && start === "nbflow-state-") say(title, `${place.name}: ${text}`);
}
