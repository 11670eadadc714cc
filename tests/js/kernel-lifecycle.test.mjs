// What a panel says once its kernel is gone, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { goneText, lastKnown } from "../../nbflow/panel/static/common/kernel-lifecycle.mjs";

const head = {
  flow: "work", number: 1, state: "Running", line: "◐ Running", note: "", seconds: 3, going: true, total: 3, done: 1,
  counts: [["Success", "success", 1], ["Running", "running", 1], ["Pending", "pending", 1]],
  open: [["●", "Cluster", "open"]], leaks: [],
};
const row = (state, line, start, seconds, going) => ({ data: { state, line, start, seconds, going, note: "" }, toldAt: 1000 });
const snapshot = {
  head,
  nodes: { a: ["Success", "✓ Success"], b: ["Running", "◐ 2/3"], c: ["Pending", "○ Pending"] },
  clusters: { box: ["open", "● open"] },
  rows: {},
  spans: { one: ["box", 1, null, "open", "● open", 1], two: ["box", 0, 1, "cleaned", "✓ cleaned", 1] },
  bars: { a: ["a", null, 0, 1, "Success", "✓ Success", "w"], "b/3": ["b", 3, 1, null, "Running", "◐ Running", "w"] },
};
const rows = new Map([
  ["a", row("Success", "✓ Success", 0, 1, false)], ["b", row("Running", "◐ Running", 1, 2, true)],
  ["c", row("Pending", "○ Pending", null, null, false)],
]);

test("what ran then has run until now and goes on no more", () => {
  const last = lastKnown(snapshot, rows, 6000);

  assert.deepEqual(last.rows, { b: ["Running", "◐ was running", 1, 7, 0, ""] });
  assert.deepEqual(last.nodes, { b: ["Running", "◐ was at 2/3"] });
  assert.deepEqual(last.clusters, { box: ["open", "● was open"] });
  assert.deepEqual(last.spans, { one: ["box", 1, 8, "open", "● was open", 1] });
  assert.deepEqual(last.bars, { "b/3": ["b", 3, 1, 8, "Running", "◐ was running", "w"] });
  assert.equal(last.head.going, false);
  assert.equal(last.head.line, "◐ was running");
  assert.deepEqual(last.head.counts[1], ["Running", "was running", 1]);
  assert.deepEqual(last.head.open, []);
});

test("a run that was over is left as it is", () => {
  const over = { ...snapshot, head: { ...head, going: false, state: "Success", line: "✓ Success" }, nodes: {}, clusters: {}, spans: {}, bars: {} };

  const last = lastKnown(over, new Map([["a", rows.get("a")]]), 6000);

  assert.deepEqual(last, { head: over.head, nodes: {}, clusters: {}, rows: {}, spans: {}, bars: {} });
});

test("the bar says how the kernel went, what was open, and what to do", () => {
  const text = goneText(head, "The kernel was restarted.");
  assert.equal(text, "The kernel was restarted: this panel shows what it last knew, nothing in it goes on. "
    + "Open at that moment: Cluster. Execute the cell again for a live panel.");
  assert.match(goneText({ ...head, going: false, open: [] }, "The kernel is gone."), /^The kernel is gone: this panel shows its last picture\. Execute/);
});
