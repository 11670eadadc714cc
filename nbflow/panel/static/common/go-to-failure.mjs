// @ts-check
/** The selection goes to a failure when a run is held at it, or has ended with it: that is what one wants to see. */

/**
 * A selection that somebody has made stays; only nothing, or what was gone to before, gives way. The focus stays
 * where it is, and what was closed is not opened again.
 * @param {import("./store.mjs").Store} store
 */
export function goToFailure(store) {
  let last = "";
  let isFirst = true;
  /** @type {import("./store.mjs").Selection} */
  let ours = { key: "", index: null };
  store.on("patch", (/** @type {import("./format.mjs").Patch} */ { head }) => {
    const place = head.failure ? `${head.number} ${head.failure.join(" ")}` : "";
    const wasFirst = isFirst;
    isFirst = false;
    if (place === last) return;
    last = place;
    // Of a run that was over before somebody came there is no news.
    if (wasFirst && head.mode !== "held") return;
    const { key, index } = store.selected;
    if (!head.failure || (key !== ours.key && key !== "") || (key !== "" && index !== ours.index)) return;
    ours = { key: head.failure[0], index: head.failure[1] };
    store.select(ours.key, ours.index);
  });
}
