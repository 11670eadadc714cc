// The camera over the drawing, and ways through it by keyboard, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as camera from "../../nbflow/panel/static/graph/camera.mjs";
import { foldLabel } from "../../nbflow/panel/static/graph/fold-marks.mjs";
import { nextKey, readingOrder } from "../../nbflow/panel/static/graph/graph-keys.mjs";
import { foldAt, selectionOf, shownAs } from "../../nbflow/panel/static/graph/svg-index.mjs";

const view = { width: 400, height: 300 };
const paper = { x: 0, y: 0, width: 800, height: 1200 };

/** The point of the paper at a point of the view. */
const under = ({ x, y, k }, left, top) => ({ x: x + left / k, y: y + top / k });

test("a small drawing is fitted at its own size, in the middle", () => {
  assert.deepEqual(camera.fit({ x: 0, y: 0, width: 200, height: 100 }, view), { x: -100, y: -100, k: 1 });
});

test("a large drawing is fitted whole", () => {
  const fitted = camera.fit(paper, view);

  assert.equal(fitted.k, 0.25);
  assert.ok(camera.showsAll(fitted, paper, view));
});

test("a drawing can be fitted at the top, where it stays when the view gets higher", () => {
  const small = { x: 0, y: 0, width: 200, height: 100 };

  assert.deepEqual(camera.fit(small, view, { atTop: true }), { x: -100, y: 0, k: 1 });
  assert.deepEqual(camera.fit(small, { ...view, height: 900 }, { atTop: true }), { x: -100, y: 0, k: 1 });
});

test("what would be too small to read is shown from its top", () => {
  const fitted = camera.fit(paper, view, { least: 0.5 });

  assert.deepEqual(fitted, { x: 0, y: 0, k: 0.5 });
  assert.ok(!camera.showsAll(fitted, paper, view));
});

test("what is under the pointer stays there while the scale changes", () => {
  const before = { x: 30, y: 50, k: 0.8 };
  const after = camera.zoomed(before, 1.7, 120, 90);

  assert.ok(Math.abs(after.k - 1.36) < 1e-9);
  for (const axis of ["x", "y"]) {
    assert.ok(Math.abs(under(before, 120, 90)[axis] - under(after, 120, 90)[axis]) < 1e-9);
  }
});

test("zooming ends somewhere", () => {
  assert.equal(camera.zoomed({ x: 0, y: 0, k: 2.9 }, 10, 0, 0).k, camera.CLOSEST);
  assert.ok(camera.zoomed({ x: 0, y: 0, k: 0.05 }, 0.001, 0, 0).k > 0.01);
});

test("the middle of the view never leaves the paper", () => {
  const lost = camera.kept({ x: 5000, y: -5000, k: 1 }, paper, view);

  assert.deepEqual(under(lost, 200, 150), { x: 800, y: 0 });
});

test("a paper smaller than the view stays in it", () => {
  const small = { x: 0, y: 0, width: 100, height: 50 };

  assert.deepEqual(camera.kept({ x: 90, y: -900, k: 1 }, small, view), { x: 0, y: -250, k: 1 });
  assert.deepEqual(camera.kept({ x: -20, y: 0, k: 1 }, small, view), { x: -20, y: 0, k: 1 });
});

test("what is in view already is revealed by not moving", () => {
  const still = { x: 0, y: 0, k: 1 };

  assert.deepEqual(camera.revealed(still, { x: 100, y: 100, width: 80, height: 40 }, view), still);
});

test("what is out of view is revealed by the shortest way", () => {
  const moved = camera.revealed({ x: 0, y: 0, k: 1 }, { x: 500, y: 100, width: 80, height: 40 }, view, 20);

  assert.deepEqual(moved, { x: 200, y: 0, k: 1 });
});

test("of what is larger than the view, the start is revealed", () => {
  const moved = camera.revealed({ x: 300, y: 700, k: 1 }, paper, view);

  assert.deepEqual(moved, { x: 0, y: 0, k: 1 });
});

test("what was folded stays where it was on the screen", () => {
  const before = { x: 100, y: 80, width: 100, height: 40 };
  const after = { x: 300, y: 200, width: 60, height: 40 };
  const moved = camera.anchored({ x: 50, y: 60, k: 0.5 }, before, after);

  assert.deepEqual(moved, { x: 230, y: 180, k: 0.5 });
  assert.equal(before.y - 60, after.y - moved.y);
});

test("the box around several reaches as far as any of them", () => {
  const boxes = [{ x: 10, y: 5, width: 10, height: 10 }, { x: 0, y: 8, width: 5, height: 30 }];

  assert.deepEqual(camera.around(boxes), { x: 0, y: 5, width: 20, height: 33 });
});

// size -> [init -> setup -> (left, right) -> last], and two lone tasks below.
const at = (key, x, y, isBox = false, width = 60, height = 20) => [key, { key, box: { x, y, width, height }, isBox }];
const ways = {
  all: new Map([
    at("block--shop", 0, 40, true, 300, 260), at("size", 100, 0), at("init", 100, 60), at("setup", 100, 110),
    at("left", 20, 160), at("right", 200, 160), at("last", 100, 220), at("lone", 20, 340), at("other", 200, 340),
  ]),
  links: [["size", "init"], ["init", "setup"], ["setup", "left"], ["setup", "right"], ["left", "last"], ["right", "last"]]
    .map(([tail, head]) => ({ tail, head })),
};

for (const [from, key, to] of [
  ["", "ArrowDown", "size"], ["size", "ArrowDown", "init"], ["setup", "ArrowDown", "left"], ["left", "ArrowDown", "last"],
  ["left", "ArrowUp", "setup"], ["right", "ArrowUp", "setup"], ["init", "ArrowUp", "block--shop"],
  ["block--shop", "ArrowUp", "size"], ["block--shop", "ArrowDown", "init"], ["size", "ArrowUp", "size"],
  ["left", "ArrowRight", "right"], ["right", "ArrowLeft", "left"], ["right", "ArrowRight", "last"],
  ["last", "ArrowDown", "lone"], ["lone", "ArrowUp", "last"], ["lone", "ArrowRight", "other"],
  ["other", "ArrowRight", "other"], ["last", "Home", "size"], ["size", "End", "other"], ["gone", "ArrowDown", "size"],
]) {
  test(`${key} leads from "${from}" to ${to}`, () => assert.equal(nextKey(ways, from, key), to));
}

test("other keys and an empty drawing lead nowhere", () => {
  assert.equal(nextKey(ways, "size", "f"), "");
  assert.equal(nextKey({ all: new Map(), links: [] }, "", "ArrowDown"), "");
});

test("Right alone visits everything once", () => {
  const order = readingOrder([...ways.all.values()]).map(({ key }) => key);
  const seen = [nextKey(ways, "", "Home")];
  while (nextKey(ways, seen.at(-1), "ArrowRight") !== seen.at(-1)) seen.push(nextKey(ways, seen.at(-1), "ArrowRight"));

  assert.deepEqual(seen, order);
  assert.equal(new Set(seen).size, ways.all.size);
});

test("a child of a map is selected as a part of its task, anything else as itself", () => {
  const names = new Set(["work-1", "odd--2"]);

  assert.deepEqual(selectionOf("work-1--3", names), { key: "work-1", index: 3 });
  for (const key of ["work-1", "odd--2", "block--shop", "group--load-1", "", "size"]) {
    assert.deepEqual(selectionOf(key, names), { key, index: null });
  }
});

test("a selection is shown by its own node, by what it is folded into, or by its children", () => {
  const all = new Map(["work-1", "block--shop-1", "group--load-1", "map-1--0", "map-1--1"].map((key) => [key, key]));
  const shown = { "load-2": "group--load-1", "inner-1": "block--shop-1", "inner-2": "block--shop-1" };
  const showing = (key, index = null) => shownAs({ key, index }, all, shown);

  assert.deepEqual(showing("work-1"), ["work-1"]);
  assert.deepEqual(showing("work-1", 4), ["work-1"]);
  assert.deepEqual(showing("map-1", 1), ["map-1--1"]);
  assert.deepEqual(showing("map-1"), ["map-1--0", "map-1--1"]);
  assert.deepEqual(showing("load-2"), ["group--load-1"]);
  assert.deepEqual(showing("block--inner-1"), ["block--shop-1"]);
  assert.deepEqual(showing(""), []);
  assert.deepEqual(showing("gone"), []);
});

test("a map or a group that is unfolded is folded again at its first node", () => {
  const folds = { "block--shop-1": false, "map-1": false, "group--load-1": false, "group--far-1": true };

  assert.equal(foldAt("block--shop-1", folds), "block--shop-1");
  assert.equal(foldAt("map-1--0", folds), "map-1");
  assert.equal(foldAt("load-1", folds), "group--load-1");
  assert.equal(foldAt("group--far-1", folds), "group--far-1");
  assert.equal(foldAt("work-1", folds), "");
  assert.equal(foldLabel("Workshop", false), "fold Workshop");
  assert.equal(foldLabel("120 tasks of load", true), "unfold 120 tasks of load");
});
