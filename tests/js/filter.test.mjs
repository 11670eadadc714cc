// What a search finds, and which states there are to filter by, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { nextMatch, stateCounts, stateWord } from "../../nbflow/panel/static/table/matches.mjs";

test("Enter goes from match to match and round", () => {
  const found = ["a", "b", "c"];

  assert.equal(nextMatch(found, "", 1), "a");
  assert.equal(nextMatch(found, "a", 1), "b");
  assert.equal(nextMatch(found, "c", 1), "a");
  assert.equal(nextMatch(found, "a", -1), "c");
  assert.equal(nextMatch(found, "elsewhere", -1), "c");
  assert.equal(nextMatch([], "a", 1), "");
});

test("the states that occur are counted, what needs attention first", () => {
  const rows = [["Success", "✓ Success"], ["Odd", "○ Odd"], ["Running", "◐ 3/9"], ["Failed", "✗ Failed"], ["NotRun", "· Not run"],
    ["Success", "✓ Success"]].map(([state, line]) => ({ data: { state, line } }));

  const counts = stateCounts(rows);

  assert.deepEqual(counts.map(({ state }) => state), ["Failed", "Running", "Odd", "Success", "NotRun"]);
  assert.deepEqual(counts[1], { state: "Running", icon: "◐", word: "Running", count: 1 });
  assert.equal(counts[3].count, 2);
});

test("a state's name is read as words", () => {
  assert.equal(stateWord("TimedOut"), "Timed out");
  assert.equal(stateWord("NotRun"), "Not run");
  assert.equal(stateWord("Success"), "Success");
});
