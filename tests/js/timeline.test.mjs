// Times along a line, and what is said of them, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { bandText, boxText, stretchOf, taskLines, timesOf, workOf, workOfChild, workText } from "../../nbflow/panel/static/timeline/lanes.mjs";
import { bandsOf, roundStep, tickText, ticksBetween, withRoom } from "../../nbflow/panel/static/timeline/time-scale.mjs";
import { laneKeyOf, makeFolds, withChildren } from "../../nbflow/panel/static/timeline/child-lines.mjs";
import { makeSpans, spanText, stateOfSpan } from "../../nbflow/panel/static/timeline/spans.mjs";
import { partsAt, partsText, waitsText } from "../../nbflow/panel/static/common/time-parts.mjs";
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

/** What a lane shows of a task in a state, with spans. */
const work = (line, spans, more = {}) =>
  workOf("load", { data: { state: line.slice(2), line, start: null, seconds: null, going: false, note: "", ...more }, toldAt: 0 }, spans, 10);

test("a task is said in words", () => {
  assert.equal(workText(work("✓ Success", [["work", 1, 3.5, 1, "Success"]]), 10), "load, Success, started at 1.00 s, took 2.50 s");
  assert.equal(
    workText(work("◐ Running", [["work", 7.5, null, 1, ""]], { going: true }), 10), "load, Running, started at 7.50 s, for 2.50 s so far");
  assert.equal(workText(work("○ Pending", []), 10), "load, Pending, not started yet");
  assert.equal(workText(work("» Skipped", []), 10), "load, Skipped, was not run");
  assert.equal(workText(work("○ Pending", [["hold", 4, null, 1, ""]]), 10), "load, Pending, not started yet, held 6.00 s");
});

const RETRIED = [["slot", 0, 1, 1, ""], ["work", 1, 2, 1, "Failed"], ["delay", 2, 5, 2, ""], ["work", 5, 5.2, 2, "Failed"], ["hold", 5.2, null, 2, ""]];

test("attempts and what was waited for are said apart", () => {
  const said = "1.20 s work in 2 attempts, 1.00 s waiting for a place, 3.00 s waiting for a retry, held 4.80 s";
  assert.equal(workText(work("✗ Failed", RETRIED), 10), `load, Failed, started at 1.00 s, ${said}`);
  assert.deepEqual(taskLines(work("✗ Failed", RETRIED), 10), ["load", "✗ Failed", "from 1.00 s to 5.20 s", said]);
});

test("what the kernel has not told the spans of is one bar, from begin to end", () => {
  assert.deepEqual(work("✓ Success", undefined, { start: 1, seconds: 2 }).spans, [["work", 1, 3, 1, "Success"]]);
  assert.equal(workOfChild("each [3]", undefined, 10).spans.length, 0);
});

test("a map's lane says how long its children worked together", () => {
  const map = work("⊞ 4/4", [], { state: "Mapped", start: 1, seconds: 2, parts: [7.5, 0, 0, 0, "", 0, 4, 0] });
  assert.equal(map.isMap, true);
  assert.deepEqual(taskLines(map, 10), ["load", "⊞ 4/4", "from 1.00 s to 3.00 s", "7.50 s work of 4 children"]);
});

test("a task's tip says which worker had it, and what is pointed at", () => {
  const one = work("✓ Success", [["work", 1, 3, 1, "Success"]]);
  const lines = ["load", "✓ Success", "from 1.00 s to 3.00 s, took 2.00 s"];
  assert.deepEqual(taskLines(one, 10), lines);
  assert.deepEqual(taskLines(one, 10, { place: "worker 7" }), [...lines, "on worker 7"]);
  assert.equal(spanText(RETRIED[4], 10, "Failed"), "held, waits for you: 4.80 s so far");
  assert.equal(spanText(RETRIED[3], 10, "Failed"), "attempt 2: Failed, 200 ms".replace("200 ms", "0.20 s"));
});

test("a bar has the state in which its attempt ended, the last one that of its task now", () => {
  assert.equal(stateOfSpan(RETRIED[1], false, "Failed"), "Failed");
  assert.equal(stateOfSpan(["work", 5, 6, 2, "Success"], true, "Cached"), "Cached");
  assert.equal(stateOfSpan(["work", 5, 6, 2, "Failed"], true, "Retrying"), "Failed");
  assert.equal(stateOfSpan(["work", 5, null, 2, ""], true, "Pending"), "Running");
});

test("the spans of a run are put together from what is told of them", () => {
  const spans = makeSpans();
  spans.take({ run: 1, whole: true, lanes: { a: RETRIED }, maps: { m: 30 }, children: { m: { 3: ["Success", "✓ Success", [["work", 1, 12, 1, "Success"]]] } } });
  assert.deepEqual([...spans.kinds()].sort(), ["delay", "hold", "slot", "work"]);
  assert.equal(spans.end(10), 12);
  assert.equal(spans.child("m", 3).state, "Success");
  spans.take({ run: 1, whole: false, lanes: { a: RETRIED.slice(0, 2) }, maps: {}, children: {} });
  assert.deepEqual([...spans.kinds()].sort(), ["slot", "work"]);
  spans.take({ run: 2, whole: true, lanes: {}, maps: {}, children: {} });
  assert.equal(spans.child("m", 3), undefined);
});

const LINES = [{ key: "a", name: "a", depth: 0, home: "", row: {} }, { key: "m", name: "m", depth: 1, home: "", row: {} }];
const keysOf = (count, folds, matches = () => true) => withChildren(LINES, new Map([["m", count]]), folds, matches).map(({ key }) => key);

test("few children of a map stand below it, many when they are asked for, and then some at a time", () => {
  const folds = makeFolds();
  assert.deepEqual(keysOf(2, folds), ["a", "m", "m/0", "m/1"]);
  assert.deepEqual(keysOf(1000, folds), ["a", "m"]);
  assert.deepEqual(folds.wanted(new Map([["m", 1000]])), {});
  folds.choose("m", true);
  assert.equal(keysOf(1000, folds).length, 2 + 50 + 1);
  assert.deepEqual(folds.wanted(new Map([["m", 1000]])), { m: 50 });
  folds.more("m");
  assert.equal(keysOf(1000, folds).length, 2 + 250 + 1);
  assert.equal(keysOf(1000, folds).at(-1), "m/more");
  assert.deepEqual(keysOf(1000, folds, (key, index) => index === 7), ["a", "m", "m/7", "m/more"]);
  folds.choose("m", false);
  assert.deepEqual(keysOf(2, folds), ["a", "m"]);
});

test("a child that has no lane is marked at its map", () => {
  const place = (key) => ["m", "m/0"].indexOf(key);
  assert.equal(laneKeyOf({ key: "m", index: 0 }, place), "m/0");
  assert.equal(laneKeyOf({ key: "m", index: 900 }, place), "m");
  assert.equal(laneKeyOf({ key: "m", index: null }, place), "m");
});

test("what grows is told as it was when the run began", () => {
  const parts = partsAt([1.5, -4, 0, 0, "delay", 1, null, 1], 10);
  assert.deepEqual([parts.work, parts.delay, parts.hold], [1.5, 6, 0]);
  assert.equal(waitsText(parts), "6.00 s waiting for a retry");
  assert.equal(partsText(partsAt([2, 0, 0, 0, "work", 3, 5, 0], 4)), "14.0 s work of 5 children");
  assert.equal(partsText(partsAt([0, 0, 0, 0, "", 0, null, 0], 4)), "");
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
