// Times along a line, and what is said of them, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { bandText, boxText, stretchOf, taskLines, taskText, timesOf } from "../../nbflow/panel/static/timeline/lanes.mjs";
import { bandsOf, roundStep, tickText, ticksBetween, withRoom } from "../../nbflow/panel/static/timeline/time-scale.mjs";
import { timeZoomed } from "../../nbflow/panel/static/timeline/time-zoom.mjs";

for (const [least, step] of [
  [0.0003, 0.0005], [0.001, 0.001], [0.013, 0.02], [0.3, 0.5], [0.7, 1], [1, 1], [1.2, 2], [7, 10], [20, 30], [61, 120],
  [400, 600], [5000, 7200], [80000, 86400], [100000, 172800],
]) {
  test(`ticks at least ${least} s apart are ${step} s apart`, () => assert.equal(roundStep(least), step));
}

for (const [seconds, step, text] of [
  [0, 5, "0"], [0.25, 0.05, "250 ms"], [0.0005, 0.0005, "0.5 ms"], [1.5, 0.5, "1.5 s"], [1, 0.5, "1.0 s"], [12, 2, "12 s"],
  [90, 30, "1:30"], [60, 10, "1:00"], [75.5, 0.5, "1:15.5"], [240, 60, "4 min"], [5400, 600, "1 h 30"], [7200, 3600, "2 h"],
  [3605, 5, "1:00:05"],
]) {
  test(`${seconds} s at ticks of ${step} s reads "${text}"`, () => assert.equal(tickText(seconds, step), text));
}

test("ticks are at round times, within what is in view, and far enough apart", () => {
  assert.deepEqual(ticksBetween(0, 2, 250).map(({ text }) => text), ["0", "500 ms", "1.0 s", "1.5 s", "2.0 s"]);
  assert.deepEqual(ticksBetween(61, 63.5, 100).map(({ text }) => text), ["1:01", "1:02", "1:03"]);
  for (const perSecond of [0.001, 0.07, 3, 90, 4321, 1e6]) {
    const ticks = ticksBetween(0, 900 / perSecond, perSecond);
    assert.ok(ticks.length >= 2 && ticks.length <= 11, `${ticks.length} at ${perSecond}`);
  }
});

test("the room for what goes on changes seldom, and is never too little", () => {
  const rooms = Array.from({ length: 600 }, (_, i) => withRoom(i / 10));
  rooms.forEach((room, i) => assert.ok(room > i / 10 && room < i / 5 + 0.3));
  assert.ok(new Set(rooms).size < 30);
});

const one = (start, end, status = "cleaned", box = "A", count = 1) => [box, start, end, status, `* ${status}`, count];

test("a resource that was opened twice has two bands", () => {
  const bands = bandsOf({ b: one(3, 5), a: one(1, 3, "closed") });
  assert.deepEqual(bands.get("A").map(({ start, end, status }) => [start, end, status]), [[1, 3, "closed"], [3, 5, "cleaned"]]);
});

test("resources of one block that are open at once are one band, which counts them and says the worst", () => {
  const [band, ...others] = bandsOf({ a: one(1, 4), b: one(2, null, "open"), c: one(3, 5, "leaked"), more: one(4, 9, "cleaned", "A", 97) }).get("A");
  assert.deepEqual(band, { start: 1, end: null, status: "leaked", line: "* leaked", count: 100 });
  assert.equal(others.length, 0);
});

test("blocks have bands of their own", () => {
  assert.deepEqual([...bandsOf({ a: one(1, 4), b: one(2, 3, "open", "B") }).keys()], ["A", "B"]);
  assert.equal(bandsOf({}).size, 0);
});

const scale = { perSecond: 100, now: 9, label: 200, left: 300, right: 900 };

test("a bar lies where its time is", () => assert.deepEqual(stretchOf(2, 4, scale), { x: 400, width: 200, isSeen: true }));
test("a moment can still be seen", () => assert.equal(stretchOf(2, 2, scale).width, 4));
test("a bar is cut to what is in view", () => {
  assert.deepEqual(stretchOf(0, 1000, scale), { x: 292, width: 616, isSeen: true });
  assert.equal(stretchOf(0, 0.5, scale).isSeen, false);
  assert.equal(stretchOf(8, 9, scale).isSeen, false);
});

const told = (start, seconds, going) => ({ data: { start, seconds, going }, toldAt: 1000 });

test("a task that goes on ends now", () => {
  assert.deepEqual(timesOf(told(1, 2, true), 2000), [1, 4]);
  assert.deepEqual(timesOf(told(1, 2, false), 2000), [1, 3]);
  assert.equal(timesOf(told(null, null, false), 2000), null);
  assert.equal(timesOf(undefined, 2000), null);
});

test("a task is said in words", () => {
  const data = (state, line, going = false) => ({ state, line, going });
  assert.equal(taskText("load", data("Success", "✓ Success"), [1, 3.5]), "load, Success, started at 1.00 s, took 2.50 s");
  assert.equal(
    taskText("load", data("Running", "◐ Running", true), [1, 3.5]), "load, Running, started at 1.00 s, for 2.50 s so far");
  assert.equal(taskText("load", data("Pending", "○ Pending"), null), "load, Pending, not started yet");
  assert.equal(taskText("load", data("Skipped", "» Skipped"), null), "load, Skipped, was not run");
});

test("a task's tip says which worker had it, if one had", () => {
  const one = { data: { state: "Success", line: "✓ Success", start: 1, seconds: 2, going: false, note: "" }, toldAt: 0 };
  const lines = ["load", "✓ Success", "from 1.00 s to 3.00 s, took 2.00 s"];
  assert.deepEqual(taskLines({ name: "load" }, one), lines);
  assert.deepEqual(taskLines({ name: "load" }, one, "worker 7"), [...lines, "on worker 7"]);
});

test("a resource is said in words", () => {
  const open = { start: 1, end: null, status: "open", line: "● open", count: 1 };
  assert.equal(bandText(open, 13.3), "● open · 12.3 s");
  assert.equal(bandText({ ...open, count: 9950 }, 13.3), "● open · 12.3 s · 9,950 of them");
  assert.equal(boxText("Cluster", [open], 13.3), "resource Cluster, open, 12.3 s, from 1.00 s");
  assert.equal(boxText("Cluster", [], 13.3), "resource Cluster, not opened");
});

test("zooming out ends where all fits, zooming in where a browser can still lay it out", () => {
  assert.equal(timeZoomed(100, 2, 100, 8), 200);
  assert.equal(timeZoomed(200, 0.5, 100, 8), null);
  assert.equal(timeZoomed(40_000, 8, 100, 8), 50_000);
  assert.equal(timeZoomed(500, 8, 0.1, 3600), 2_000_000 / 3600);
});
