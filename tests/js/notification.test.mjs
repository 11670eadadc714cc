// What the browser's notification says, and when, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { refusalOf, tellNews } from "../../nbflow/panel/static/common/notification.mjs";

const going = {
  flow: "work", number: 1, state: "Running", line: "◐ Running", note: "", why: "", seconds: 1, going: true, total: 6, done: 2,
  counts: [["Success", "success", 2]], open: [], leaks: [], mode: "going", next: "", look: "",
};
const over = { ...going, state: "Failed", line: "✗ Failed", going: false, mode: "over", done: 6, counts: [["Failed", "failed", 1]] };
const held = { ...going, state: "Paused", line: "‖ Failed at clean, held", mode: "held" };

test("the end of a run is told with its state", () => {
  assert.deepEqual(tellNews(going, over), { title: "work, run 1: Failed", body: "6 of 6 done: 1 failed" });
});

test("a run that began and ended between two looks is told", () => {
  assert.equal(tellNews(over, { ...over, number: 2 }).title, "work, run 2: Failed");
});

test("a run that is held at a task is told once", () => {
  assert.equal(tellNews(going, held).title, "work, run 1: Failed at clean, held");
  assert.equal(tellNews(held, held), null);
  assert.equal(tellNews(held, { ...held, line: "‖ Held before total" }).title, "work, run 1: Held before total");
});

test("a step that somebody made is no news", () => {
  assert.equal(tellNews(going, { ...held, line: "‖ Paused", next: "clean" }), null);
});

test("what is over, goes on or has not begun is no news", () => {
  assert.equal(tellNews(over, over), null);
  assert.equal(tellNews(going, going), null);
  assert.equal(tellNews({ ...going, number: null }, { ...going, number: null, going: false }), null);
});

test("each refusal has its words", () => {
  assert.equal(refusalOf("granted"), "");
  assert.match(refusalOf("denied"), /blocks notifications/);
  assert.match(refusalOf("unsupported"), /shows no notifications/);
  assert.match(refusalOf("default"), /asked again/);
});
