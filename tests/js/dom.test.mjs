// What is looked for around a view that is not in the page yet.
import assert from "node:assert/strict";
import { test } from "node:test";

import { whenThere } from "../../nbflow/panel/static/common/dom.mjs";

const frames = [];
let resized = () => {};
let watched = 0;
globalThis.requestAnimationFrame = (call) => frames.push(call);
globalThis.ResizeObserver = class {
  constructor(call) { resized = call; }
  observe() { watched += 1; }
  disconnect() { watched -= 1; }
};
const pass = (count = 1000) => { for (let i = 0; i < count && frames.length; i++) frames.shift()(); };

const look = () => {
  const [life, found] = [new AbortController(), []];
  const page = { around: null };
  frames.length = 0;
  watched = 0;
  whenThere({}, () => page.around, life.signal, (one) => found.push(one));
  return { life, found, page };
};

test("what is there at once is found at once", () => {
  const found = [];
  watched = 0;
  whenThere({}, () => "panel", new AbortController().signal, (one) => found.push(one));
  assert.deepEqual([found, watched], [["panel"], 0]);
});

test("what comes with a later frame is found once", () => {
  const { found, page } = look();
  pass(3);
  page.around = "panel";
  pass();
  resized();
  assert.deepEqual([found, frames.length, watched], [["panel"], 0, 0]);
});

test("a view that comes into the page long after it was made is found then", () => {
  const { found, page } = look();
  pass();
  assert.deepEqual([found, frames.length], [[], 0]); // nothing is asked for any more, frame by frame

  page.around = "panel";
  resized();

  assert.deepEqual([found, watched], [["panel"], 0]);
});

test("nothing is looked for when the view is gone", () => {
  const { life, found, page } = look();
  life.abort();
  page.around = "panel";
  pass();
  assert.deepEqual([found, watched], [[], 0]);
});
