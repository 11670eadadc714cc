// What the panel says in words, without a browser: `node --test tests/js/*.test.mjs`.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as panel from "../../nbflow/panel/static/common/format.mjs";

const head = {
  flow: "example", number: 1, state: "Running", line: "◐ Running", note: "", seconds: 1, going: true,
  total: 12, done: 7, counts: [["Failed", "failed", 1], ["Success", "success", 6], ["Pending", "pending", 5]],
  open: [], leaks: [],
};

for (const [seconds, text] of [
  [null, ""], [0, "0 ms"], [0.0034, "3 ms"], [0.0994, "99 ms"], [0.0996, "0.10 s"], [0.2449, "0.24 s"], [9.994, "9.99 s"], [9.996, "10.0 s"], [59.94, "59.9 s"],
  [59.96, "1 min 00 s"], [125, "2 min 05 s"], [3599.7, "1 h 00 min"], [3725, "1 h 02 min"], [-3, "0 ms"],
  [Number.NaN, ""],
]) {
  test(`${seconds} seconds read as "${text}"`, () => assert.equal(panel.formatSeconds(seconds), text));
}

test("a time goes on by this page's clock only while the task does", () => {
  assert.equal(panel.elapsed(2, true, 1000, 4500), 5.5);
  assert.equal(panel.elapsed(2, false, 1000, 4500), 2);
  assert.equal(panel.elapsed(null, true, 1000, 4500), null);
  assert.equal(panel.elapsed(2, true, 4500, 1000), 2);
});

test("one class is swapped and the others stay", () => {
  const classes = "nbflow-node nbflow-task nbflow-state-Pending";
  assert.equal(panel.withClass(classes, "nbflow-state-", "Failed"), "nbflow-node nbflow-task nbflow-state-Failed");
  assert.equal(panel.withClass("", "nbflow-state-", "Failed"), "nbflow-state-Failed");
});

test("a patch goes into the snapshot in place and leaves the rest alone", () => {
  const snapshot = { head: {}, nodes: { a: ["Pending", "○"], b: ["Pending", "○"] }, clusters: {}, rows: { a: 1 }, spans: {}, bars: {} };
  const patch = { head, nodes: { a: ["Success", "✓"] }, clusters: { c: ["open", "●"] }, rows: { a: 2 }, spans: { d: 3 }, bars: { e: 4 } };

  assert.equal(panel.merge(snapshot, patch), snapshot);

  assert.deepEqual(snapshot.nodes, { a: ["Success", "✓"], b: ["Pending", "○"] });
  assert.deepEqual(snapshot.clusters, { c: ["open", "●"] });
  assert.deepEqual(snapshot.rows, { a: 2 });
  assert.deepEqual(snapshot.spans, { d: 3 });
  assert.deepEqual(snapshot.bars, { e: 4 });
  assert.equal(snapshot.head, head);
});

test("the progress is told in words", () => {
  assert.equal(panel.progressText(head), "7 of 12 done: 1 failed, 6 success");
  assert.equal(panel.progressText({ ...head, done: 0, counts: [["Pending", "pending", 12]] }), "0 of 12 done");
});

test("setup and cleanup are named without their block, other tasks whole", () => {
  assert.equal(panel.shortName({ name: "Cluster.setup", kind: "setup", box: "Cluster" }), "setup");
  assert.equal(panel.shortName({ name: "my cleanup", kind: "cleanup", box: "Cluster" }), "my cleanup");
  assert.equal(panel.shortName({ name: "Cluster.x", kind: "task", box: "Cluster" }), "Cluster.x");
});

test("a held run says what it would do next, unless its line says at which tasks it stands", () => {
  assert.equal(panel.whereText({ mode: "held", next: "load" }), "next: load");
  assert.equal(panel.whereText({ mode: "held", next: "" }), "");
  assert.equal(panel.whereText({ mode: "going", next: "load" }), "");
});

test("a run goes on by this page's clock", () => {
  assert.equal(panel.runTime({ seconds: 2, going: true, toldAt: 1000 }, 2500), 3.5);
  assert.equal(panel.runTime({ seconds: 2, going: false, toldAt: 1000 }, 2500), 2);
  assert.equal(panel.runTime({ seconds: null, going: false }, 2500), 0);
});

test("what goes on has gone on for as long as its run, but for its start", () => {
  const wire = (going) => ["Running", "◐ Running", 10, 0.5, going, ""];
  assert.equal(panel.readRow(wire(1), 60).seconds, 50);
  assert.equal(panel.readRow(wire(1), 10.2).seconds, 0.5);
  assert.equal(panel.readRow(wire(1)).seconds, 0.5);
  assert.equal(panel.readRow(wire(0), 60).seconds, 0.5);
});

test("a time says how long somebody was waited for, and what is left while it goes on", () => {
  const head = { held_s: 0, remaining: null, going: true, mode: "going", toldAt: 0 };
  assert.equal(panel.timeText(head, 5, 0), "5.00 s");
  assert.equal(panel.timeText({ ...head, remaining: 30 }, 5, 0), "5.00 s, about 30.0 s left");
  assert.equal(panel.timeText({ ...head, remaining: 30 }, 15, 10_000), "15.0 s, about 20.0 s left");
  assert.equal(panel.timeText({ ...head, mode: "held", held_s: 60, remaining: 30 }, 90, 5_000), "1 min 30 s, 1 min 05 s of it waiting for you");
  assert.equal(panel.timeText({ ...head, going: false, mode: "over", held_s: 0.2, remaining: 3 }, 9, 0), "9.00 s");
  assert.equal(panel.timeText(head, null, 0), "");
});
