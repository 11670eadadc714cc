// @ts-check
/**
 * What the parts of a panel's body share: what there is to show, the latest of it, the selection, the filter, and
 * messages to and from the kernel. A part listens to topics and changes only its own elements.
 *
 * Topics: `picture` (other rows: build anew), `drawing` (another drawing of them), `patch` (what changed, a `Patch`),
 * `select`, `filter`, `view` (the name of the tab in front), and every other kind of message that the kernel sends.
 *
 * @typedef {import("./text.mjs").Patch} Patch
 * @typedef {import("./text.mjs").Row} Row
 * @typedef {import("./text.mjs").RowName} RowName
 * @typedef {{data: Row, toldAt: number}} Told  `toldAt` is by `performance.now()`
 * @typedef {{key: string, index: number | null}} Selection  `key` of a row, box or group; empty for none
 * @typedef {{text: string, states: Set<string>}} Filter
 * @typedef {ReturnType<typeof makeShared>} Shared
 */
import { listen } from "./dom.mjs";
import { readRow } from "./text.mjs";

/** @param {import("./dom.mjs").View} view */
export function makeShared({ model, el, signal }) {
  /** @type {Map<string, ((value: any) => void)[]>} */
  const calls = new Map();
  const id = Math.random().toString(36).slice(2, 10);
  const shared = {
    model,
    el,
    signal,
    /** @type {RowName[]} */
    order: [],
    /** @type {Map<string, RowName>} */
    names: new Map(),
    /** @type {Map<string, Told>} */
    rows: new Map(),
    /** @type {Selection} */
    selected: { key: "", index: null },
    /** @type {Filter} */
    filter: { text: "", states: new Set() },
    /** @returns {import("./text.mjs").Drawing} */
    get drawing() { return model.get("drawing"); },
    /** @returns {import("./text.mjs").Picture} */
    get picture() { return model.get("picture"); },
    /** All that is known, kept up to date. @returns {Patch} */
    get snapshot() { return model.get("snapshot"); },
    /** @param {string} topic @param {(value: any) => void} call */
    on(topic, call) {
      const known = calls.get(topic);
      if (known) known.push(call);
      else calls.set(topic, [call]);
    },
    /** @param {string} topic @param {any} [value] */
    tell(topic, value) {
      for (const call of calls.get(topic) ?? []) {
        try {
          call(value);
        } catch (error) { // it is reported, but the other parts are told all the same
          setTimeout(() => { throw error; });
        }
      }
    },
    /** Whether the kernel is gone, see life.mjs: nothing that is sent would arrive. */
    isGone: false,
    /** Take a patch. @param {Patch} patch */
    patch(patch) {
      note(patch);
      shared.tell("patch", patch);
    },
    /** Say something to the kernel, if it is there. @param {string} kind @param {Record<string, any>} [fields] */
    send(kind, fields = {}) {
      if (shared.isGone) shared.tell("announce", "Not possible: the kernel is gone.");
      else model.send({ kind, ...fields });
      return !shared.isGone;
    },
    /** @type {ReturnType<typeof import("./edits.mjs").watchEdits> | null} */
    edits: null,
    /** Say it with what has been edited in the form. @param {string} kind @param {Record<string, any>} [message] */
    sendWithEdits(kind, message = {}) {
      if (shared.edits?.areAny) shared.edits.take().then((fields) => shared.send(kind, { ...message, fields }));
      else shared.send(kind, message);
    },
    /** Select a row, box or group, or nothing with "". @param {string} key @param {number | null} [index] */
    select(key, index = null) {
      if (key === shared.selected.key && index === shared.selected.index) return;
      choose(key, index);
      shared.send("select", { key, index, by: id });
    },
    /** @param {Partial<Filter>} change */
    setFilter(change) {
      shared.filter = { ...shared.filter, ...change };
      shared.tell("filter", shared.filter);
    },
    /** What a row, box or group is called; "" for what has no row, such as a parameter. @param {string} key */
    nameOf(key) {
      const found = shared.names.get(key.replace(/^group--/, "")) ?? shared.picture.boxes.find((box) => box.key === key);
      return found?.name ?? "";
    },
    /** Whether a row is what the filter looks for. @param {string} key */
    matches(key) {
      const { text, states } = shared.filter;
      const name = shared.names.get(key);
      const state = shared.rows.get(key)?.data.state ?? "NotRun";
      const isNamed = !text || `${name?.name ?? key} ${name?.box ?? ""}`.toLowerCase().includes(text.toLowerCase());
      return isNamed && (!states.size || states.has(state));
    },
    /** Read the whole picture and snapshot; the parts are told after it. */
    begin() {
      const isOther = shared.order !== shared.picture.rows;
      shared.order = shared.picture.rows;
      shared.names = new Map(shared.order.map((row) => [row.key, row]));
      shared.rows.clear();
      note(shared.snapshot);
      // A block and a group have the names of their first rows.
      const first = shared.selected.key.replace(/^(block|group)--/, "");
      if (isOther && !shared.names.has(first)) shared.selected = { key: "", index: null };
      shared.tell("picture");
      shared.tell("drawing");
      shared.tell("patch", shared.snapshot);
    },
  };

  /** @param {string} key @param {number | null} index */
  const choose = (key, index) => {
    shared.selected = { key, index };
    shared.tell("select", shared.selected);
  };
  // All views of a panel show the same selection: the kernel tells of one.
  shared.on("selected", ({ key, index, by }) => {
    const isNews = key !== shared.selected.key || index !== shared.selected.index;
    if (by !== id && isNews) choose(key, index);
  });
  /** @param {Patch} patch */
  const note = (patch) => {
    const { seconds, toldAt = performance.now() } = patch.head;
    for (const [key, wire] of Object.entries(patch.rows)) shared.rows.set(key, { data: readRow(wire, seconds), toldAt });
  };
  listen(model, signal, "msg:custom", (message) => {
    if (message?.kind === "patch") shared.patch(message.patch);
    else if (message?.kind) shared.tell(message.kind, message);
  });
  /** @type {Set<string>} */
  const news = new Set();
  // Whatever came in one message is told once. Another drawing of the same rows leaves all else as it is.
  const renew = (/** @type {string} */ trait) => {
    news.add(trait);
    if (news.size > 1) return;
    queueMicrotask(() => {
      const isOther = news.has("picture") || news.has("snapshot");
      news.clear();
      if (signal.aborted) return;
      if (isOther) shared.begin();
      else {
        shared.tell("drawing");
        shared.tell("patch", shared.snapshot);
      }
    });
  };
  for (const trait of ["picture", "snapshot", "drawing"]) {
    listen(model, signal, `change:${trait}`, () => renew(trait));
  }
  return shared;
}
