// What the parts of a panel share, without a browser: the latest of everything, and when it was told.
import assert from "node:assert/strict";
import { test } from "node:test";

import body from "../../nbflow/panel/static/body.mjs";
import { makeStore } from "../../nbflow/panel/static/common/store.mjs";

const head = { number: 1, state: "Running", line: "◐ Running", seconds: 60, going: true, open: [], leaks: [], counts: [] };
const row = (key) => ({ key, name: key, kind: "task", box: "", home: "", depth: 0, mapped: false });
const going = ["Running", "◐ Running", 10, 0, 1, ""];
const nothing = () => ({ nodes: {}, clusters: {}, rows: {}, spans: {}, bars: {} });

/** A model that records what it sends, as anywidget gives one to the script. */
class Model {
  constructor() {
    this.calls = {};
    this.sent = [];
    this.state = {
      picture: { rows: [row("a"), row("b")], boxes: [] },
      drawing: { svg: "", problem: "", pending: false, shown: {}, folds: {} },
      snapshot: { ...nothing(), head: { ...head }, rows: { a: going, b: ["Success", "✓ Success", 1, 2, 0, ""] } },
    };
  }
  get(name) { return this.state[name]; }
  set(values) {
    Object.assign(this.state, values);
    for (const name of Object.keys(values)) this.fire(`change:${name}`);
  }
  on(name, call) { (this.calls[name] ??= []).push(call); }
  off(name, call) { this.calls[name] = (this.calls[name] ?? []).filter((one) => one !== call); }
  fire(name, ...values) { for (const call of this.calls[name] ?? []) call(...values); }
  tell(kind, fields) { this.fire("msg:custom", { kind, ...fields }); }
  send(message) { this.sent.push(message); }
}

const open = () => {
  const [model, life] = [new Model(), new AbortController()];
  body.initialize({ model, signal: life.signal });
  const view = () => makeStore({ model, el: {}, signal: life.signal });
  return { model, life, view };
};

test("a page that is opened asks for what it may have missed", () => {
  assert.deepEqual(open().model.sent, [{ kind: "hello" }]);
});

test("a widget that holds nothing yet is one all the same", () => {
  const model = new Model();
  model.state.snapshot = {};
  body.initialize({ model, signal: new AbortController().signal });
  assert.equal(model.sent.length, 1);
});

test("a task that began before the page was opened has the run's time, not that of its last change", () => {
  const store = open().view();
  store.begin();

  assert.equal(store.rows.get("a").data.seconds, 50);
  assert.equal(store.rows.get("b").data.seconds, 2);
});

test("a view that is made later counts from when the times were told", () => {
  const { model, view } = open();
  model.tell("patch", { patch: { ...nothing(), head: { ...head, seconds: 70 } } });
  const told = model.get("snapshot").head.toldAt;
  assert.ok(told <= performance.now());

  const store = view();
  store.begin();

  assert.deepEqual([store.rows.get("a").toldAt, store.rows.get("a").data.seconds], [told, 60]);
});

test("a patch that comes before any view is in what a view begins with", () => {
  const { model, view } = open();
  model.tell("patch", { patch: { ...nothing(), head, rows: { a: ["Success", "✓ Success", 10, 5, 0, ""] } } });

  const store = view();
  store.begin();

  assert.equal(store.rows.get("a").data.state, "Success");
});

test("what is selected in one view is so in the others, and nothing is said twice", () => {
  const { model, view } = open();
  const [one, other] = [view(), view()];
  one.begin();
  other.begin();
  one.select("a");
  const said = model.sent.filter(({ kind }) => kind === "select");
  one.select("b"); // before the kernel has answered

  model.tell("selected", { key: "a", index: null, by: said[0].by });

  assert.deepEqual([one.selected.key, other.selected.key], ["b", "a"]);
  assert.equal(model.sent.filter(({ kind }) => kind === "select").length, 2);
});
