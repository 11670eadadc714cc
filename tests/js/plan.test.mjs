// What a plan says, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { moreText, plannedNodes } from "../../nbflow/panel/static/runs/plan.mjs";

test("what runs inside of something folded is marked on that", () => {
  const shown = { "a-1": "block--C-1", "b-1": "block--C-1" };

  assert.deepEqual(plannedNodes(["a-1", "b-1", "last-1"], shown), new Set(["block--C-1", "last-1"]));
  assert.deepEqual(plannedNodes([], shown), new Set());
});

for (const [more, listed, text] of [
  [[0, 0], 3, ""], [[1, 0], 200, "… and 1 more runs"], [[1800, 0], 200, "… and 1,800 more run"],
  [[0, 1], 0, "1 is reused"], [[2, 50], 200, "… and 2 more run, 50 are reused"],
]) {
  test(`${more} left out of ${listed} reads "${text}"`, () => assert.equal(moreText(more, listed), text));
}
