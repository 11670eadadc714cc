// What the inspector does with what it is told, without a browser: `node --test tests/js/*.test.mjs`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { LEVELS, LOG_LIMIT, addPieces, cutAtFinds, overwritten, rankOf, textOfLines, trimLines } from "../../nbflow/panel/static/logs/log-lines.mjs";
import { withoutAddresses } from "../../nbflow/panel/static/common/rich.mjs";

const texts = (lines) => lines.map((line) => line.text);
const said = (...pieces) => {
  const lines = [];
  addPieces(lines, pieces.map(([stream, text, index = null, attempt = 1]) => [0, stream, text, index, attempt]));
  return lines;
};

test("half lines of one stream become one line", () => {
  assert.deepEqual(texts(said(["stdout", "a"], ["stdout", " b"], ["stdout", "\n"], ["stdout", "c\nd\n"])), ["a b", "c", "d"]);
});

test("an empty line stays", () => {
  assert.deepEqual(texts(said(["stdout", "a\n\nb\n"], ["stdout", "\n"], ["stdout", "c"])), ["a", "", "b", "", "c"]);
});

test("what another stream, child or attempt says is a line of its own", () => {
  assert.deepEqual(texts(said(["stdout", "a"], ["stderr", "b"], ["stdout", "c"])), ["a", "b", "c"]);
  assert.deepEqual(texts(said(["stdout", "a", 0], ["stdout", "b", 1])), ["a", "b"]);
  assert.deepEqual(texts(said(["stdout", "a", null, 1], ["stdout", "b", null, 2])), ["a", "b"]);
});

test("log records are lines of their own, their line breaks kept", () => {
  assert.deepEqual(texts(said(["INFO", "a"], ["INFO", "b\nc"])), ["a", "b\nc"]);
});

test("a progress bar stays one line", () => {
  assert.deepEqual(texts(said(["stderr", "\r 10 %"], ["stderr", "\r 50 %"], ["stderr", "\r100 %\n"], ["stderr", "done\n"])), ["100 %", "done"]);
  assert.equal(overwritten("abc\r"), "abc\r");
  assert.equal(overwritten("plain"), "plain");
});

test("only the lines that changed are told to be painted again", () => {
  const lines = said(["stdout", "a\n"], ["stdout", "b"]);

  assert.equal(addPieces(lines, [[0, "stdout", "c\nd", null, 1]]), 1);
  assert.equal(addPieces(lines, [[0, "stderr", "e", null, 1]]), 3);
  assert.deepEqual(texts(lines), ["a", "bc", "d", "e"]);
});

test("of a long log the end is kept", () => {
  const lines = said(...Array.from({ length: 100 }, (_, i) => ["stdout", `${i} ${"x".repeat(997)}\n`]));

  const left = trimLines(lines);

  assert.ok(lines.reduce((sum, { text }) => sum + text.length + 1, 0) <= LOG_LIMIT);
  assert.match(lines.at(-1).text, /^99 /);
  assert.ok(left > 30_000);
  assert.equal(trimLines(said(["stdout", "1\n2\n3\n4\n"]), 1000, 2), 4);
});

test("a copied log says what was logged and how loud", () => {
  assert.equal(textOfLines(said(["stdout", "a\n"], ["WARNING", "b"])), "a\nWARNING b");
});

test("a style of a value loads nothing", () => {
  assert.equal(withoutAddresses("a {background: url(http://x/y.png)}"), "a {background: none}");
  assert.equal(withoutAddresses("@import 'http://x';b{c:URL( 'x' )}"), "b{c:none}");
  assert.equal(withoutAddresses("a {background: url(data:image/png;base64,AA==)}"), "a {background: url(data:image/png;base64,AA==)}");
  assert.equal(withoutAddresses("a > b {color: red}"), "a > b {color: red}");
});

test("what is searched for is found whatever the case, and nothing of the text is lost", () => {
  assert.deepEqual(cutAtFinds("Row 1, row 2", "ROW"), ["", "Row", " 1, ", "row", " 2"]);
  assert.deepEqual(cutAtFinds("none", "row"), ["none"]);
  assert.deepEqual(cutAtFinds("all", ""), ["all"]);
  assert.deepEqual(cutAtFinds("aaa", "aa"), ["", "aa", "a"]);
  assert.deepEqual(cutAtFinds("İstanbul", "bul"), ["İstanbul"]); // its small letters are more
});

test("a level shows what is as urgent, and what goes to stderr counts as a warning", () => {
  const shown = (/** @type {number} */ i) => ["stdout", "DEBUG", "INFO", "NOTICE", "stderr", "WARNING", "ERROR", "CRITICAL"]
    .filter((stream) => rankOf(stream) >= LEVELS[i][1]);
  assert.equal(shown(0).length, 8);
  assert.deepEqual(shown(1), ["INFO", "NOTICE", "stderr", "WARNING", "ERROR", "CRITICAL"]);
  assert.deepEqual(shown(2), ["stderr", "WARNING", "ERROR", "CRITICAL"]);
  assert.deepEqual(shown(3), ["ERROR", "CRITICAL"]);
});

test("half lines of two tasks do not become one, and the text says whose a line is", () => {
  /** @type {any[]} */
  const lines = [];
  addPieces(lines, [[0, "stdout", "a", null, 1, "load", "load-1"], [0, "stdout", "b\n", 3, 1, "clean", "clean-1"]]);
  addPieces(lines, [[0, "stdout", "c\n", null, 1, "load", "load-1"]]);
  assert.equal(textOfLines(lines), "load: a\nclean[3]: b\nload: c");
});
