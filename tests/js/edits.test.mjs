// What was edited in fields is brought along with what is asked for, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { watchEdits } from "../../nbflow/panel/static/common/edits.mjs";

const panel = {};
const el = { closest: () => panel };

/** A field as the page has it, of this panel or another; `isHandle`: a slider, or a button that stays pressed. */
const field = (id, { of = panel, isHandle = false } = {}) => {
  const widget = { className: `widget nbflow-field-${id} other`, closest: () => of };
  return { closest: (wanted) => (wanted.includes("nbflow-field") ? widget : isHandle || null) };
};

/** A model of ipywidgets. */
const fieldModel = (state) => ({ get: (name) => state[name], serialize: (wanted) => ({ ...wanted, isSerialized: true }) });

const open = (models) => {
  const calls = {};
  const page = { addEventListener: (type, call) => { calls[type] = call; } };
  const manager = { get_model: async (id) => models[id] ?? Promise.reject(new Error("closed")) };
  const edits = watchEdits({ model: { widget_manager: manager }, el, signal: new AbortController().signal }, page);
  return { edits, fire: (type, target) => calls[type]({ type, target }) };
};

test("what was edited is taken once, as its widget writes it", async () => {
  const { edits, fire } = open({ n: fieldModel({ value: 3 }), menu: fieldModel({ index: 1 }), other: fieldModel({ value: 0 }) });
  assert.equal(edits.areAny, false);

  for (const id of ["n", "menu", "n"]) fire("input", field(id));

  assert.equal(edits.areAny, true);
  const taken = await edits.take();
  assert.deepEqual(taken, { n: { value: 3, isSerialized: true }, menu: { index: 1, isSerialized: true } });
  assert.equal(edits.areAny, false);
  assert.deepEqual(await edits.take(), {});
});

test("a key edits a slider and no field that is only gone through", () => {
  const { edits, fire } = open({});
  fire("keydown", field("text"));
  assert.equal(edits.areAny, false);
  fire("keydown", field("slider", { isHandle: true }));
  assert.equal(edits.areAny, true);
});

test("fields of other panels, and what is no field, are none of its business", () => {
  const { edits, fire } = open({});
  fire("change", field("n", { of: {} }));
  fire("change", { closest: () => null });
  fire("change", {}); // the document itself
  assert.equal(edits.areAny, false);
});

test("a field that was closed meanwhile, or can not be read, is left out", async () => {
  const { edits, fire } = open({ n: fieldModel({ value: null }), strange: {} });
  for (const id of ["gone", "n", "strange"]) fire("change", field(id));
  assert.deepEqual(await edits.take(), { n: { value: null, isSerialized: true } });
});

test("where widgets can not be asked for, their own messages have to do", () => {
  const page = { addEventListener: (type, call) => call({ type, target: field("n") }) };
  assert.equal(watchEdits({ model: {}, el, signal: new AbortController().signal }, page).areAny, false);
});
