// What is read out, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { tellChange } from "../../nbflow/panel/static/common/announce.mjs";

const idle = {
  flow: "work", number: null, state: "NotRun", line: "○ Not run", note: "", seconds: null, going: false, total: 6,
  done: 0, counts: [["Pending", "pending", 6]], open: [], leaks: [],
};
const going = { ...idle, number: 1, state: "Running", line: "◐ Running", seconds: 1, going: true };
const over = { ...going, state: "Success", line: "✓ Success", going: false, done: 6, counts: [["Success", "success", 6]] };
const open = (...names) => names.map((name) => ["●", name, "open"]);

const polite = (before, now, failures = []) => {
  const { text, urgent } = tellChange(before, now, failures);
  assert.equal(urgent, "");
  return text;
};

test("the start and the end of a run are told", () => {
  assert.equal(polite(idle, going), "Run 1 of work started.");
  assert.equal(polite(going, over), "Run 1 ended: Success. 6 of 6 done: 6 success.");
});

test("a run that began and ended between two looks is told by its end", () => {
  assert.equal(polite(idle, over), "Run 1 ended: Success. 6 of 6 done: 6 success.");
  assert.match(polite(over, { ...over, number: 2 }), /^Run 2 ended/);
});

test("nothing new is nothing said", () => {
  for (const head of [idle, going, over]) assert.equal(polite(head, head), "");
});

test("a resource that opens and is cleaned up is named", () => {
  assert.equal(polite(going, { ...going, open: open("Cluster") }), "Opened: Cluster.");
  assert.equal(polite({ ...going, open: open("Cluster", "Cluster") }, { ...going, open: open("Cluster") }), "Cleaned up: Cluster.");
  assert.equal(polite({ ...going, open: open("Cluster") }, { ...going, open: [["◐", "Cluster", "closing"]] }), "");
});

test("of many only some are named", () => {
  const many = Array.from({ length: 5000 }, (_, i) => `r${i}`);
  assert.equal(polite(going, { ...going, open: open(...many) }), "Opened: r0, r1, r2 and 4997 more.");
  const failures = many.map((name) => ({ name, note: "x".repeat(5000) }));
  const text = polite(going, going, failures);
  assert.match(text, /^5000 tasks failed, at last r4999: x+…\.$/);
  assert.ok(text.length < 200);
});

test("a failure is told with its message", () => {
  assert.equal(polite(going, going, [{ name: "load", note: "ValueError: no" }]), "load failed: ValueError: no.");
});

test("a pause is told with the place and what is open", () => {
  const note = "The run is paused (load); open: Cluster.";
  const still = { ...going, state: "Paused", line: "‖ Paused", note, done: 2 };
  assert.equal(polite(going, still), `${note} 2 of 6 done.`);
  assert.equal(polite(still, still), "");
  assert.equal(polite(still, { ...still, done: 3 }), `${note} 3 of 6 done.`);
});

test("a failure that is held, and a resource that is left, cannot wait", () => {
  const still = { ...going, state: "Paused", note: "The run is paused (load)." };
  const held = tellChange(going, still, [{ name: "load", note: "no" }]);
  assert.deepEqual(held, { text: "", urgent: "load failed: no. The run is paused (load). 0 of 6 done." });
  const left = tellChange({ ...going, open: open("Cluster") }, { ...going, leaks: ["Cluster: OSError()"] }, []);
  assert.deepEqual(left, { text: "", urgent: "Cleanup failed, the resource may be left: Cluster: OSError()." });
});
