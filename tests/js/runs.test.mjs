// What the list of runs and a comparison say, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { barScale, summaryText } from "../../nbflow/panel/static/runs/comparison.mjs";
import { runWords, startText } from "../../nbflow/panel/static/runs/run-words.mjs";

test("the start of a run is a time, and has its day if that was another one", () => {
  const then = new Date(2026, 1, 3, 4, 5, 6);

  assert.equal(startText(then.getTime() / 1000, new Date(2026, 1, 3, 23)), "04:05:06");
  assert.equal(startText(then.getTime() / 1000, new Date(2026, 1, 4)), "2026-02-03 04:05:06");
  assert.equal(startText(null, new Date()), "–");
});

test("how much differs is said in a sentence", () => {
  const some = (total) => Array(total).fill(0);
  assert.equal(summaryText({ differing: 0, total: 3, tasks: some(3) }), "None of 3 tasks differs in state, value or code.");
  assert.equal(summaryText({ differing: 1, total: 1, tasks: some(1) }), "1 of 1 task differs in state, value or code.");
  assert.equal(
    summaryText({ differing: 2, total: 700, tasks: some(500) }),
    "2 of 700 tasks differ in state, value or code; the first 500 are listed.",
  );
});

test("bars are measured by the longest time of both runs", () => {
  const pair = (...seconds) => ["", "", [], seconds, "", "", [], 0];
  const scale = barScale([pair(1, 4), pair(null, 2)]);

  assert.equal(scale(4), 100);
  assert.equal(scale(1), 25);
  assert.equal(scale(null), 0);
  assert.equal(barScale([])(0), 0);
});

test("what is said of a run stands in one line, and what is not there leaves no gap", () => {
  const none = { name: "", kind: "", parameters: "", tags: "", note: "", held: "" };

  assert.equal(runWords(none), "");
  assert.equal(
    runWords({ name: "baseline", kind: "rerun of 1", parameters: "n = 2", tags: "a, b", note: "as in May", held: "2 MB" }),
    "baseline; rerun of 1; n = 2; tagged a, b; values: 2 MB; as in May",
  );
});
