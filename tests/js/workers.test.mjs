// The lanes of workers: which bars are in which, what is drawn of them, and where keys go, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  barAfter, barLines, barText, busySeconds, countWorkers, drawnOf, isSelected, KERNEL, lanesOf, mostUrgent, NOT_KNOWN, readBars,
  selectedBar, workerLines,
} from "../../nbflow/panel/static/timeline/workers.mjs";

const names = new Map([
  ["load-1", { key: "load-1", name: "load", kind: "task", box: "Desk" }],
  ["Desk.setup-1", { key: "Desk.setup-1", name: "Desk.setup", kind: "setup", box: "Desk" }],
]);
const bar = (id, start, end, worker = "worker 1", more = {}) =>
  ({ id, key: id.split("/")[0], index: id.includes("/") ? Number(id.split("/")[1]) : null, name: id, start, end, state: "Success",
    line: "✓ Success", worker, ...more });
const placed = (lanes) => lanes.map(({ worker, level, bars }) => [worker, level, bars.map(({ id }) => id)]);

test("a bar has the name of its task, and the number of the child", () => {
  const wire = {
    "load-1/3": ["load-1", 3, 1, 2, "Success", "✓ Success", "worker 1"],
    "Desk.setup-1": ["Desk.setup-1", null, 0, 1, "Success", "✓ Success", ""],
    "more/worker 1": ["", 6000, 2, 9, "", "", "worker 1"],
  };
  assert.deepEqual(readBars(wire, names).map(({ name, worker }) => [name, worker]),
    [["load [3]", "worker 1"], ["setup", KERNEL], ["6,000 more", "worker 1"]]);
  assert.equal(countWorkers(wire), 1);
});

test("what a worker has that has not told its name yet is not said to be the kernel's, and what the kernel does is", () => {
  const wire = {
    "load-1": ["load-1", null, 1, null, "Running", "◐ Running", ""],
    "Desk.setup-1": ["Desk.setup-1", null, 1, null, "Running", "◐ Running", ""],
  };
  assert.deepEqual(readBars(wire, names).map(({ worker }) => worker), [NOT_KNOWN, KERNEL]);
  // When the kernel is gone all bars end.
  wire["load-1"][3] = 5;
  assert.equal(readBars(wire, names)[0].worker, NOT_KNOWN);
  wire["load-1"][4] = "Cached";
  assert.equal(readBars(wire, names)[0].worker, KERNEL);
});

test("the kernel comes first, then workers as they began, and last what is not known yet", () => {
  const bars = [
    bar("d", 0, null, NOT_KNOWN), bar("c", 2, 3, "worker 1"), bar("b", 1, 2, "worker 2"), bar("a", 4, 5, KERNEL), bar("e", 3, 4, "worker 1"),
  ];
  assert.deepEqual(placed(lanesOf(bars)),
    [[KERNEL, 0, ["a"]], ["worker 2", 0, ["b"]], ["worker 1", 0, ["c", "e"]], [NOT_KNOWN, 0, ["d"]]]);
});

test("a worker with several tasks at once has several lanes, in none of which a bar lies over another", () => {
  const bars = [bar("a", 0, 3), bar("b", 1, 2), bar("c", 2, null), bar("d", 3.0005, 4), bar("e", 3, 4)];
  const lanes = lanesOf(bars);
  assert.deepEqual(placed(lanes), [["worker 1", 0, ["a", "e"]], ["worker 1", 1, ["b", "c"]], ["worker 1", 2, ["d"]]]);
  assert.deepEqual(lanes.map(({ levels, count }) => [levels, count]), [[3, 5], [3, 5], [3, 5]]);
  assert.equal(new Set(lanes.map(({ key }) => key)).size, 3);
});

test("an end that was noted just after the next start makes no second lane", () => {
  assert.equal(lanesOf([bar("a", 0, 1), bar("b", 0.999, 2)]).length, 1);
});

test("children that are not told one by one are counted as well", () => {
  assert.equal(lanesOf([bar("a", 0, 1), bar("more", 1, 2, "worker 1", { key: "", index: 6000 })])[0].count, 6001);
});

const scale = { perSecond: 100, now: 9, label: 200, left: 300, right: 900 };

test("a bar is drawn where its time is, and what goes on until now", () => {
  assert.deepEqual(drawnOf([bar("a", 2, 4), bar("b", 5, 6)], scale).map(({ x, width }) => [x, width]), [[400, 200], [700, 100]]);
  assert.deepEqual(drawnOf([bar("a", 2, null)], { ...scale, now: 3 }).map(({ x, width }) => [x, width]), [[400, 100]]);
});

test("only what is in view is drawn", () => {
  const [only, ...others] = drawnOf([bar("a", 0, 0.5), bar("b", 0.6, 8), bar("c", 8, 9)], scale);
  assert.deepEqual([only.x, only.width, others.length], [292, 616, 0]);
});

test("bars that would lie over each other as they are so small are drawn as one", () => {
  const tiny = Array.from({ length: 1000 }, (_, i) => bar(`load-1/${i}`, 2 + i * 0.001, 2 + i * 0.001 + 0.0009));
  const drawn = drawnOf([...tiny, bar("z", 3.1, 4)], scale);
  assert.equal(drawn.length, 2);
  assert.equal(drawn[0].bars.length, 1000);
  assert.equal(drawn[1].bars.length, 1);
  assert.equal(drawnOf(tiny, { ...scale, perSecond: 10_000, label: -19_000, left: 0 }).every(({ bars }) => bars.length === 1), true);
});

test("a small bar beside a long one stays a bar of its own", () => {
  assert.equal(drawnOf([bar("a", 2, 4), bar("b", 4, 4.001)], scale).length, 2);
});

test("a bar that is drawn larger than it is lies over no other", () => {
  const drawn = drawnOf([bar("a", 2, 2), bar("b", 2.001, 4), bar("c", 4, 4), bar("d", 4.01, 4.02), bar("e", 5, 6)], scale);
  assert.deepEqual(drawn.map(({ bars, x, width }) => [bars.map(({ id }) => id).join(""), x, Math.round(width)]),
    [["a", 400, 4], ["b", 404, 196], ["cd", 600, 5], ["e", 700, 100]]);
});

test("the drawing of very many tasks is bounded by the room there is", () => {
  const many = Array.from({ length: 4000 }, (_, i) => bar(`load-1/${i}`, 1 + i * 0.0017, 1 + i * 0.0017 + 0.001));
  assert.ok(drawnOf(many, scale).length <= 600 / 4);
});

test("of several bars that are one, the state is told that needs a look", () => {
  assert.equal(mostUrgent([bar("a", 0, 1), bar("b", 1, 2, "w", { state: "Failed" }), bar("c", 2, 3)]).id, "b");
});

test("a worker's time is not counted twice where it had several tasks at once", () => {
  assert.equal(busySeconds([bar("a", 0, 2), bar("b", 1, 3), bar("c", 5, null)], 6), 4);
});

test("bars are said in words", () => {
  assert.deepEqual(barLines([bar("load", 1, 3.5)], 9), ["load", "✓ Success", "from 1.00 s to 3.50 s, took 2.50 s", "on worker 1"]);
  assert.deepEqual(barLines([bar("load", 1, null)], 9)[2], "from 1.00 s, 8.00 s so far");
  assert.equal(barText(bar("load", 1, 3.5), 9), "load, Success, from 1.00 s to 3.50 s, took 2.50 s, on worker 1");
  assert.deepEqual(
    barLines([bar("a", 0, 1), bar("b", 1, 2, "worker 1", { state: "Failed", line: "✗ Failed" }), bar("c", 2, 3)], 9),
    ["3 tasks", "✗ Failed 1", "✓ Success 2", "on worker 1", "zoom in to tell them apart"]);
  assert.deepEqual(barLines([bar("more", 1, 2, "worker 1", { key: "", index: 6000, name: "6,000 more" })], 9)[0],
    "6,000 more, not shown one by one");
  const lanes = lanesOf([bar("a", 0, 3), bar("b", 1, 2)]);
  assert.deepEqual(workerLines(lanes[0], lanes, 4), ["worker 1", "2 tasks", "busy for 3.00 s of 4.00 s"]);
});

test("a map that is selected has all its children marked, and a child itself alone", () => {
  const bars = [bar("load-1/0", 0, 1), bar("load-1/1", 1, 2), bar("other", 2, 3)];
  const marked = (selected) => bars.filter((one) => isSelected(one, selected)).map(({ id }) => id);
  assert.deepEqual(marked({ key: "load-1", index: null }), ["load-1/0", "load-1/1"]);
  assert.deepEqual(marked({ key: "load-1", index: 1 }), ["load-1/1"]);
  assert.deepEqual(marked({ key: "", index: null }), []);
  assert.equal(selectedBar(bars, { key: "load-1", index: null }).id, "load-1/0");
});

test("keys go along a lane, and to what was there at the same time in the next one", () => {
  const lanes = lanesOf([
    bar("a", 0, 1, KERNEL), bar("b", 1, 2), bar("c", 2, 3), bar("d", 3, 9), bar("x", 0, 1.9, "worker 2"), bar("y", 2, 9, "worker 2"),
  ]);
  const ids = lanes.map(({ bars }) => bars.map(({ id }) => id).join(""));
  assert.deepEqual(ids, ["a", "xy", "bcd"]);
  const find = (id) => lanes.flatMap(({ bars }) => bars).find((one) => one.id === id);
  const goes = (id, key) => barAfter(lanes, find(id), key)?.id;
  assert.equal(goes("b", "ArrowRight"), "c");
  assert.equal(goes("d", "ArrowRight"), "d");
  assert.equal(goes("b", "ArrowLeft"), "b");
  assert.equal(goes("c", "ArrowUp"), "y");
  assert.equal(goes("b", "ArrowUp"), "x");
  assert.equal(goes("y", "ArrowDown"), "d");
  assert.equal(goes("a", "ArrowUp"), "a");
  assert.equal(goes("c", "Home"), "b");
  assert.equal(goes("c", "End"), "d");
  assert.equal(goes("none", "ArrowDown"), "a");
  assert.equal(goes("c", "PageUp"), undefined);
  assert.equal(barAfter([], undefined, "Home"), undefined);
});
