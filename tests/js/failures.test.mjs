// The list of failures in words, and the selection that goes to one: `node --test tests/js/*.test.mjs`.
import assert from "node:assert/strict";
import test from "node:test";
import { goToFailure } from "../../nbflow/panel/static/common/go-to-failure.mjs";
import { summaryOf } from "../../nbflow/panel/static/failures/failures.mjs";

const none = { groups: [] };

test("the summary counts failures, their kinds and what did not run", () => {
  assert.equal(summaryOf({ ...none, total: 1, kinds: 1, left_out: 0 }), "1 failure.");
  assert.equal(summaryOf({ ...none, total: 1200, kinds: 2, left_out: 1 }), "1,200 failures, 2 kinds. 1 task did not run because of it.");
  assert.equal(summaryOf({ ...none, total: 0, kinds: 0, left_out: 0 }), "Nothing has failed.");
});

function makeStore() {
  /** @type {any} */
  const store = { selected: { key: "", index: null }, chosen: [], on: (_, call) => { store.patch = call; } };
  store.select = (key, index) => {
    store.selected = { key, index };
    store.chosen.push([key, index]);
  };
  goToFailure(store);
  return store;
}
const patch = (number, failure) => ({ head: { number, failure } });

test("the selection goes to a failure once, and not again when it was closed", () => {
  const store = makeStore();
  store.patch(patch(1, null));
  store.patch(patch(1, ["clean-1", 3]));
  assert.deepEqual(store.chosen, [["clean-1", 3]]);
  store.select("", null);
  store.patch(patch(1, ["clean-1", 3]));
  assert.equal(store.selected.key, "");
});

test("what somebody has selected stays", () => {
  const store = makeStore();
  store.patch(patch(1, null));
  store.select("load-1", null);
  store.patch(patch(1, ["clean-1", null]));
  assert.equal(store.selected.key, "load-1");
});

test("a panel that opens on a run that is over selects nothing, on one that is held its failure", () => {
  const over = makeStore();
  over.patch({ head: { number: 1, failure: ["clean-1", null], mode: "over" } });
  assert.equal(over.selected.key, "");
  const held = makeStore();
  held.patch({ head: { number: 1, failure: ["clean-1", null], mode: "held" } });
  assert.equal(held.selected.key, "clean-1");
});

test("the next run's failure is gone to from the last one's", () => {
  const store = makeStore();
  store.patch(patch(1, null));
  store.patch(patch(1, ["clean-1", null]));
  store.patch(patch(2, null));
  store.patch(patch(2, ["report-1", null]));
  assert.equal(store.selected.key, "report-1");
});
