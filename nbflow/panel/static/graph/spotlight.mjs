// @ts-check
/** What stands out in the drawing: the selected node with its direct edges, and what the filter looks for. */
import { shownAs } from "./svg-index.mjs";
import { uniqueId } from "../common/dom.mjs";
import { elapsed, formatSeconds } from "../common/format.mjs";

/**
 * @param {import("../common/store.mjs").Store} store  @param {HTMLElement} sheet
 */
export function makeSpotlight(store, sheet) {
  const id = uniqueId("sheet");
  /** @type {import("./svg-index.mjs").Places | null} */
  let places = null;
  /** The rows that each node shows. @type {Map<string, string[]>} */
  const rowsOf = new Map();
  /** @type {import("./svg-index.mjs").Place[]} */
  let selected = [];

  const near = () => {
    const keys = new Set(selected.map(({ key }) => key));
    return (places?.links ?? []).filter(({ tail, head }) => keys.has(tail) || keys.has(head));
  };
  /** @param {import("./svg-index.mjs").Place} place */
  const isWanted = ({ key, name }) => {
    const rows = rowsOf.get(key);
    if (rows) return rows.some(store.matches);
    const { text, states } = store.filter;
    const state = store.snapshot.nodes[key]?.[0] ?? "NotRun";
    return name.toLowerCase().includes(text.toLowerCase()) && (!states.size || states.has(state));
  };
  const light = {
    current: () => selected[0],
    near: () => near().flatMap(({ tail, head }) => [places?.all.get(tail), places?.all.get(head)]).filter((one) => one !== undefined),
    /** Another drawing. @param {import("./svg-index.mjs").Places | null} next */
    look(next) {
      places = next;
      selected = [];
      rowsOf.clear();
      const { shown } = store.drawing;
      for (const row of store.names.keys()) {
        const key = shown[row] ?? row;
        const known = rowsOf.get(key);
        if (known) known.push(row);
        else rowsOf.set(key, [row]);
      }
      let number = 0;
      // Two views of one panel show the same drawing: its ids are not unique in the page.
      for (const { element } of places?.all.values() ?? []) element.id = `${id}-${number++}`;
    },
    /** Mark what is selected. */
    select() {
      for (const { element } of selected) {
        element.classList.remove("nbflow-selected");
        element.removeAttribute("aria-label");
      }
      for (const old of sheet.querySelectorAll(".nbflow-halo")) old.remove();
      for (const old of sheet.querySelectorAll(".nbflow-near")) old.classList.remove("nbflow-near");
      const all = places?.all ?? new Map();
      selected = shownAs(store.selected, all, store.drawing.shown).map((key) => all.get(key));
      for (const { element } of selected) {
        element.classList.add("nbflow-selected");
        const shape = [...element.querySelectorAll(":scope > .nbflow-shape")].at(-1);
        shape?.before(halo(shape));
      }
      for (const { element } of near()) element.classList.add("nbflow-near");
      if (selected.length) sheet.setAttribute("aria-activedescendant", selected[0].element.id);
      else sheet.removeAttribute("aria-activedescendant");
      light.say();
    },
    /** Name the selected node with its state and its time. */
    say() {
      if (!selected.length) return;
      const { key, element, name, isBox } = selected[0];
      const mark = isBox ? store.snapshot.clusters[key] : store.snapshot.nodes[key];
      const told = store.selected.index === null ? store.rows.get(key) : undefined;
      const seconds = told && elapsed(told.data.seconds, told.data.going, told.toldAt, performance.now());
      const words = [name, (mark?.[1] ?? "").replace(/[^\p{L}\p{N}/,. ]+/gu, "").trim(), formatSeconds(seconds ?? null)];
      const fold = store.drawing.folds[key];
      if (fold !== undefined) words.push(fold ? "folded" : "unfolded");
      const label = words.filter(Boolean).join(", ");
      if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
    },
    /** Dim what the filter does not look for, and the edges from and to it. */
    dim() {
      if (!places) return;
      const { text, states } = store.filter;
      const isOff = !text && !states.size;
      const wanted = new Set();
      for (const place of places.all.values()) {
        const isClear = isOff || place.isBox || isWanted(place);
        if (isClear) wanted.add(place.key);
        place.element.classList.toggle("nbflow-dim", !isClear);
      }
      for (const { element, tail, head } of places.links) {
        element.classList.toggle("nbflow-dim", !wanted.has(tail) || !wanted.has(head));
      }
    },
  };
  return light;
}

/** A rim around a shape, whatever its form. @param {Element} shape */
function halo(shape) {
  const rim = /** @type {Element} */ (shape.cloneNode());
  for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray"]) rim.removeAttribute(name);
  rim.setAttribute("class", "nbflow-halo");
  return rim;
}
