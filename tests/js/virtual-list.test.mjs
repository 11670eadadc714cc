// Which rows of a long list are in the page, and where keys go in it, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { countTasks, endOfBox, matchingLines, matchText, outlineOf } from "../../nbflow/panel/static/table/outline.mjs";
import { rowAfter } from "../../nbflow/panel/static/common/row-selection.mjs";
import { offsetsOf, rowAt, scrolledTo, windowOf } from "../../nbflow/panel/static/common/virtual-list.mjs";

const even = (count) => offsetsOf(Array.from({ length: count }, () => 27));

test("offsets say where each row begins and where the list ends", () => {
  assert.deepEqual([...offsetsOf([27, 49, 27])], [0, 27, 76, 103]);
  assert.deepEqual([...offsetsOf([])], [0]);
});

for (const [y, row] of [[-5, 0], [0, 0], [26.9, 0], [27, 1], [75.9, 1], [76, 2], [9999, 2]]) {
  test(`at ${y} pixels is row ${row}`, () => assert.equal(rowAt(offsetsOf([27, 49, 27]), y), row));
}

test("all rows of a short list are in the page", () => {
  assert.deepEqual(windowOf(even(200), 3000, 300), [0, 200]);
  assert.deepEqual(windowOf(even(0), 0, 300), [0, 0]);
});

test("of a long list the rows in view are in the page with some around, few in all", () => {
  const offsets = even(2000);
  for (let top = 0; top < 2000 * 27; top += 1234) {
    const [from, to] = windowOf(offsets, top, 500);
    assert.ok(from <= Math.floor(top / 27) && to >= Math.min(2000, Math.ceil((top + 500) / 27)));
    assert.ok(to - from <= 80, `${to - from} rows`);
  }
  assert.equal(windowOf(offsets, 2000 * 27, 500)[1], 2000);
});

test("a little scrolling changes nothing", () => {
  assert.deepEqual(windowOf(even(2000), 16 * 27, 540), windowOf(even(2000), 16 * 27 + 26, 540));
});

for (const [what, start, end, to] of [
  ["is in view already", 110, 137, 100], ["is above", 40, 67, 40], ["is below", 400, 427, 227],
  ["is higher than the view", 400, 900, 400],
]) {
  test(`a row that ${what} is scrolled to as little as can be`, () =>
    assert.equal(scrolledTo(100, 200, start, end), to));
}

for (const [key, at, to] of [
  ["ArrowDown", 3, 4], ["ArrowDown", 9, 9], ["ArrowDown", -1, 0], ["ArrowUp", 3, 2], ["ArrowUp", 0, 0], ["ArrowUp", -1, 9],
  ["PageDown", 3, 7], ["PageDown", 8, 9], ["PageUp", 3, 0], ["Home", 5, 0], ["End", 5, 9], ["x", 5, undefined],
]) {
  test(`${key} at row ${at} of ten goes to ${to}`, () => assert.equal(rowAfter(key, at, 10, 4), to));
}

test("a page is at least one row", () => assert.equal(rowAfter("PageDown", 3, 10, 0), 4));

test("no key goes anywhere in an empty list", () => assert.equal(rowAfter("End", -1, 0, 4), undefined));

const row = (key, home = "", depth = 0) => ({ key, name: key, kind: "task", box: home, home, depth, mapped: false });
const boxes = [
  { key: "A", name: "a", depth: 0, home: "" }, { key: "B", name: "b", depth: 1, home: "A" },
  { key: "C", name: "c", depth: 0, home: "" },
];
const rows = [row("1"), row("2", "B", 2), row("3"), row("4", "A", 1), row("5", "B", 2), row("6", "C", 1)];
const keys = (lines) => lines.map((line) => line.key).join(" ");

test("each block has a heading where its first task stands, with all its tasks below", () => {
  assert.equal(keys(outlineOf(rows, boxes)), "1 A B 2 5 4 3 C 6");
});

test("a row whose block is not known stands outside", () => {
  assert.equal(keys(outlineOf([row("1", "gone", 1)], [])), "1");
});

test("tasks that match keep their headings, all others go", () => {
  const lines = outlineOf(rows, boxes);
  assert.equal(keys(matchingLines(lines, (key) => key === "5" || key === "3")), "A B 5 3");
  assert.equal(keys(matchingLines(lines, () => false)), "");
  assert.equal(keys(matchingLines(lines, () => true)), keys(lines));
});

test("a block ends before the next line that is not in it", () => {
  const lines = outlineOf(rows, boxes);
  assert.equal(endOfBox(lines, 1), 6);
  assert.equal(endOfBox(lines, 2), 5);
  assert.equal(endOfBox(lines, 7), 9);
});

test("headings are not counted as tasks", () => {
  assert.equal(countTasks(outlineOf(rows, boxes)), 6);
  assert.equal(matchText(12, 2000), "12 of 2,000 tasks");
});
