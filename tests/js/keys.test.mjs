// Which key does what, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { KEYS, findKey, isForJupyter, nameOfKey } from "../../nbflow/panel/static/common/keys.mjs";

const press = (key, held = {}) => ({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });

for (const [key, held, command] of [
  ["r", {}, "run"], ["s", {}, "step"], ["b", {}, "step_block"], ["g", {}, "resume"], ["p", {}, "pause"],
  ["C", { shiftKey: true }, "cancel"], ["t", {}, "retry"], ["k", {}, "skip"], ["h", {}, "hold"],
  ["R", { shiftKey: true }, "rerun"], ["S", {}, "step"],
]) {
  test(`${nameOfKey(press(key, held))} is ${command}`, () => assert.equal(findKey(press(key, held)).command, command));
}

test("a bare c or x cancels nothing", () => {
  for (const key of ["c", "x", "d", "a"]) assert.equal(findKey(press(key)), undefined);
});

test("with Control, Meta or Alt every key is Jupyter's", () => {
  for (const name of ["ctrlKey", "metaKey", "altKey"]) {
    assert.equal(findKey(press("s", { [name]: true })), undefined);
    assert.equal(isForJupyter(press("s", { [name]: true })), true);
  }
  assert.equal(isForJupyter(press("Enter", { shiftKey: true })), true);
  assert.equal(isForJupyter(press("x")), false);
});

test("what stands on another key elsewhere is found with Shift and without", () => {
  for (const shiftKey of [true, false]) {
    assert.equal(findKey(press("/", { shiftKey })).act, "find");
    assert.equal(findKey(press("?", { shiftKey })).act, "help");
    assert.equal(findKey(press("2", { shiftKey })).view, "timeline");
  }
});

test("no key does two things", () => {
  const keys = KEYS.filter((one) => one.command || one.view || one.act).flatMap((one) => one.keys);
  assert.equal(new Set(keys).size, keys.length);
});
