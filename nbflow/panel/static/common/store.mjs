// @ts-check
/**
 * What the parts of a panel's body share: what there is to show, the latest of it, the selection, the filter, and
 * messages to and from the kernel. A part listens to topics and changes only its own elements.
 *
 * Topics: `picture` (other rows: build again), `drawing` (another drawing of them), `patch` (what changed, a `Patch`),
 * `select`, `filter`, `view` (the name of the tab in front), and every other kind of message that the kernel sends.
 *
 * @typedef {import("./format.mjs").Patch} Patch
 * @typedef {import("./format.mjs").Row} Row
 * @typedef {import("./format.mjs").RowName} RowName
 * @typedef {{data: Row, toldAt: number}} Told  `toldAt` is by `performance.now()`
 * @typedef {{key: string, index: number | null}} Selection  `key` of a row, box or group; empty for none
 * @typedef {{text: string, states: Set<string>}} Filter
 * @typedef {ReturnType<typeof makeStore>} Store
 */
import { listen } from "./dom.mjs";
import { readRow } from "./format.mjs";

/** @param {import("./dom.mjs").View} view */
export function makeStore({ model, el, signal }) {
  /** @type {Map<string, ((value: any) => void)[]>} */
  const calls = new Map();
  const id = Math.random().toString(36).slice(2, 10);
  const store = {
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
    /** @returns {import("./format.mjs").Drawing} */
    get drawing() { return model.get("drawing"); },
    /** @returns {import("./format.mjs").Picture} */
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
      store.tell("patch", patch);
    },
    /** Say something to the kernel, if it is there. @param {string} kind @param {Record<string, any>} [fields] */
    send(kind, fields = {}) {
      if (store.isGone) store.tell("announce", "Not possible: the kernel is gone.");
      else model.send({ kind, ...fields });
      return !store.isGone;
    },
    /** @type {ReturnType<typeof import("./edits.mjs").watchEdits> | null} */
    edits: null,
    /** Say it with what has been edited in the form. @param {string} kind @param {Record<string, any>} [message] */
    sendWithEdits(kind, message = {}) {
      if (store.edits?.areAny) store.edits.take().then((fields) => store.send(kind, { ...message, fields }));
      else store.send(kind, message);
    },
    /** Select a row, box or group, or nothing with "". @param {string} key @param {number | null} [index] */
    select(key, index = null) {
      if (key === store.selected.key && index === store.selected.index) return;
      choose(key, index);
      store.send("select", { key, index, by: id });
    },
    /** @param {Partial<Filter>} change */
    setFilter(change) {
      store.filter = { ...store.filter, ...change };
      store.tell("filter", store.filter);
    },
    /** What a row, box or group is called; "" for what has no row, such as a parameter. @param {string} key */
    nameOf(key) {
      const found = store.names.get(key.replace(/^group--/, "")) ?? store.picture.boxes.find((box) => box.key === key);
      return found?.name ?? "";
    },
    /** Whether a row is what the filter looks for. @param {string} key */
    matches(key) {
      return store.matchesIn(key, store.rows.get(key)?.data.state ?? "NotRun");
    },
    /** Whether it would be in another state: a child has its own. @param {string} key @param {string} state */
    matchesIn(key, state) {
      const { text, states } = store.filter;
      const name = store.names.get(key);
      const isNamed = !text || `${name?.name ?? key} ${name?.box ?? ""}`.toLowerCase().includes(text.toLowerCase());
      return isNamed && (!states.size || states.has(state));
    },
    /** Read the whole picture and snapshot; the parts are told after it. */
    begin() {
      const isOther = store.order !== store.picture.rows;
      store.order = store.picture.rows;
      store.names = new Map(store.order.map((row) => [row.key, row]));
      store.rows.clear();
      note(store.snapshot);
      // A block and a group have the names of their first rows.
      const first = store.selected.key.replace(/^(block|group)--/, "");
      if (isOther && !store.names.has(first)) store.selected = { key: "", index: null };
      store.tell("picture");
      store.tell("drawing");
      store.tell("patch", store.snapshot);
    },
  };

  /** @param {string} key @param {number | null} index */
  const choose = (key, index) => {
    store.selected = { key, index };
    store.tell("select", store.selected);
  };
  // All views of a panel show the same selection: the kernel tells of one.
  store.on("selected", ({ key, index, by }) => {
    const isNews = key !== store.selected.key || index !== store.selected.index;
    if (by !== id && isNews) choose(key, index);
  });
  /** @param {Patch} patch */
  const note = (patch) => {
    const { seconds, toldAt = performance.now() } = patch.head;
    for (const [key, wire] of Object.entries(patch.rows)) store.rows.set(key, { data: readRow(wire, seconds), toldAt });
  };
  listen(model, signal, "msg:custom", (message) => {
    if (message?.kind === "patch") store.patch(message.patch);
    else if (message?.kind) store.tell(message.kind, message);
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
      if (isOther) store.begin();
      else {
        store.tell("drawing");
        store.tell("patch", store.snapshot);
      }
    });
  };
  for (const trait of ["picture", "snapshot", "drawing"]) {
    listen(model, signal, `change:${trait}`, () => renew(trait));
  }
  return store;
}
